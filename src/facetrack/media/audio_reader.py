"""Decodes the audio stream of a film from a time on, each frame with its exact time.

Where a file cannot be sought in, it is read from its start. What cannot be read is noted.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from facetrack.core.closing import Closing
from facetrack.core.types import BEST_STREAMS, Join, StreamChoice
from facetrack.media.choosing import described, packets_of, sound_stream, video_stream
from facetrack.media.joins import SoundJoins
from facetrack.media.opening import open_media
from facetrack.media.streams import begin_s

PREROLL_S = 0.5
"""Seconds read before the wanted time: the first packets after a seek may decode to nothing."""
NEAR_S = 1.0
"""Seconds from the start of the stream up to which it is read from its start, not sought."""
STEP_BACK_S = 1.0
"""Seconds by which a second seek goes further back, where one ended too late; doubled each time."""
LOST_S = 0.1
"""Seconds of packets that decode to nothing, beyond which no decoder is only late."""
ANCHOR_PACKETS = 64
"""Packets at the start of the file that may decode to nothing."""
CLEAR_TICKS = 4
"""Ticks of the file's clock that a frame must last, so that its time says which frame it is."""


class Grid(NamedTuple):
    """Times of frames that follow each other from the start of the file, all equally long.

    A file whose clock is coarser than a sample rounds them: Matroska and FLV to a millisecond,
    which is 48 samples.
    """

    start_s: float
    frame_s: float
    samples: int
    """Of a frame."""
    tick_s: float
    """Seconds from one time that the file can say to the next."""

    def exact(self, time_s: float, frame: AudioFrame) -> float:
        """The frame's time in seconds before it was rounded; as it is where it fits no frame."""
        number = round((time_s - self.start_s) / self.frame_s)
        exact_s = self.start_s + number * self.frame_s
        fits = frame.samples == self.samples and abs(exact_s - time_s) <= self.tick_s
        return exact_s if fits else time_s


class AudioReader(Closing):
    """The audio stream of one film. A context manager that holds the file open.

    Times are in seconds on the container's clock.

    Args:
        streams: the film's streams that are read.
        joins: where the film's times begin anew or jump. Such a film is read from its start: its
            times lead to several places.

    Raises:
        InputError: when the file has no such streams.
        FFmpegError: when libav cannot read the file.
    """

    def __init__(
        self, path: Path, streams: StreamChoice = BEST_STREAMS, joins: Sequence[Join] = ()
    ) -> None:
        self._path, self._streams, self._joins = path, streams, joins
        self.trouble: str | None = None
        """What of the times asked for could not be read; None: nothing."""
        self._grid: Grid | None = None
        self._measured = False
        self._open()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._container.close()

    def frames(self, start_s: float, end_s: float) -> Iterator[tuple[float, AudioFrame]]:
        """Time and frame, from a little before ``start_s`` to the end of the file.

        A damaged packet costs its own sound only. Frames without a time follow the one before.
        """
        if self.stream is None:
            return
        joined = SoundJoins(self._joins) if self._joins else None
        until_s: float | None = None
        fed_s: float | None = None  # time of the first packet that has given nothing yet
        try:
            for packet in self._packets_from(start_s - PREROLL_S):
                packet_s = self._packet_s(packet)
                wanted = packet_s is None or bool(joined) or start_s <= packet_s < end_s
                try:
                    decoded = packet.decode()
                except av.error.FFmpegError as error:
                    if wanted:
                        self._note(f"cannot be decoded ({error.strerror})", packet_s)
                    continue
                if decoded or packet_s is None:
                    fed_s = None
                elif fed_s is None:
                    fed_s = packet_s
                elif wanted and packet_s - fed_s > LOST_S:
                    self._note("gives no sound", packet_s)
                for frame in decoded:
                    lasts_s = frame.samples / frame.sample_rate
                    time_s = self._frame_s(frame, until_s)
                    until_s = time_s + lasts_s
                    if joined is not None:
                        time_s = joined.film_s(time_s, lasts_s)
                    if joined is None or time_s + lasts_s > start_s - PREROLL_S:
                        yield time_s, frame
        except av.error.FFmpegError as error:
            self._note(f"cannot be read any further ({error.strerror})", until_s)

    def _open(self) -> None:
        """At the start of the file."""
        self._container = open_media(self._path)
        try:
            film = video_stream(self._container, self._path, self._streams.video)
            stream = sound_stream(self._container, self._path, self._streams.audio, film)
        except BaseException:
            self._container.close()
            raise
        self._streams = StreamChoice(
            None if film is None else film.index, None if stream is None else stream.index
        )
        self.stream: AudioStream | None = stream
        """None: the film has no sound that can be decoded."""
        self.film_begins_s = 0.0 if film is None else begin_s(film)
        """When the video stream begins."""
        self._at_start = True
        if stream is not None:
            context = stream.codec_context
            self._tick = stream.time_base or Fraction(1, context.sample_rate or 48000)
            self._begins_s = float((stream.start_time or 0) * self._tick)

    def _packets_from(self, at_s: float) -> "Iterator[Packet[AudioStream]]":
        """Packets of which the first is not much later than ``at_s``."""
        if self._joins or at_s <= self._begins_s + NEAR_S:
            yield from self._packets_from_start()
            return
        self._measure()
        yield from self._sought(at_s) or (
            packet
            for packet in self._packets_from_start()
            if (packet_s := self._packet_s(packet)) is None or packet_s >= at_s
        )

    def _sought(self, at_s: float) -> "Iterator[Packet[AudioStream]] | None":
        """Packets after a seek; None where the file cannot be sought in."""
        assert self.stream is not None
        back_s = 0.0
        while at_s - back_s > self._begins_s:
            try:
                self._at_start = False
                where = int((at_s - back_s) / self._tick)
                self._container.seek(where, stream=self.stream, backward=True)
                packets = packets_of(self._container, self.stream)
                first = next(packets)
            except av.error.FFmpegError:
                return None
            first_s = self._packet_s(first)
            if first_s is not None and first_s <= at_s + PREROLL_S / 2:
                return chain([first], packets)
            back_s = max(STEP_BACK_S, 2 * back_s)
        return None

    def _packets_from_start(self) -> "Iterator[Packet[AudioStream]]":
        self._rewind()
        self._at_start = False
        assert self.stream is not None
        return packets_of(self._container, self.stream)

    def _rewind(self) -> None:
        """To the start of the file; not every file can be sought there."""
        if not self._at_start:
            self._container.close()
            self._open()

    def _measure(self) -> None:
        """Finds the grid of the frames, where the file's clock is coarser than a sample."""
        if self._measured:
            return
        self._measured = True
        first: list[tuple[float, AudioFrame]] = []
        for number, packet in enumerate(self._packets_from_start()):
            try:
                for frame in packet.decode():
                    if frame.pts is None:
                        return
                    first.append((float(frame.pts * self._tick), frame))
            except av.error.FFmpegError:
                return
            if len(first) > 1 or number > ANCHOR_PACKETS:
                break
        if len(first) < 2:
            return
        (begin_s, shorter), (next_s, frame) = first[:2]
        # The decoder may cut the first frame, which it fills before the sound begins.
        start_s = begin_s + shorter.samples / shorter.sample_rate
        grid = Grid(start_s, frame.samples / frame.sample_rate, frame.samples, float(self._tick))
        coarse = self._tick * frame.sample_rate > 1 and grid.frame_s > CLEAR_TICKS * grid.tick_s
        if coarse and grid.exact(next_s, frame) == start_s:
            self._grid = grid

    def _frame_s(self, frame: AudioFrame, until_s: float | None) -> float:
        """The frame's time; ``until_s``: the end of the frame before, None where there is none."""
        time_s = self._time_s(frame.pts if frame.pts is not None else frame.dts)
        if time_s is None:
            return self._begins_s if until_s is None else until_s
        if until_s is None and self._grid is not None:
            return self._grid.exact(time_s, frame)
        return time_s

    def _packet_s(self, packet: "Packet[AudioStream]") -> float | None:
        return self._time_s(packet.pts if packet.pts is not None else packet.dts)

    def _time_s(self, time: int | None) -> float | None:
        return None if time is None else float(time * self._tick)

    def _note(self, what: str, at_s: float | None) -> None:
        """Keeps the first trouble."""
        if self.trouble is None and self.stream is not None:
            where = "" if at_s is None else f" at {max(0.0, at_s - self.film_begins_s):.2f} s"
            self.trouble = f"audio stream {described(self.stream)} {what}{where}"
