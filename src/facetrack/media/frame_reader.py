"""Reads chosen frames of a video, in order, and decodes little else.

Decoding can begin at every key frame. So reading starts at the key frame before the first wanted
frame, and jumps to a later key frame where that saves decoding. On the way, frames that no other
frame depends on are skipped. A frame is known again by its presentation time.

Where the clock of the analysis had to correct the file's times, frames are read through this clock
again: from a key frame on where a time follows from the frames around it, else from the start of
the film, and then a frame is known again by its number.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

import av.error
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facetrack.core.closing import Closing
from facetrack.core.frame_range import EPSILON_S
from facetrack.core.types import BEST_STREAMS, NO_CORRECTION, Clock, StreamChoice
from facetrack.media.choosing import packets_of
from facetrack.media.decoded_frames import decoded_frames
from facetrack.media.deinterlace import Deinterlacer
from facetrack.media.rising_times import RisingTimes
from facetrack.media.streams import VideoFile, holds_decoding_times, open_again

Tick = int
"""A time in units of the stream's time base, or of ``EPSILON_S`` where times were corrected; 0 at
the stream's start."""

JUMP_S = 1.0
"""Shorter gaps are decoded through: to flush and refill the decoder costs as much."""
BLIND_JUMP_S = 12.0
"""The same where the file has no index of its key frames; they are rarely further apart."""
UNSURE, UNSURE_S = 12, 1.0
"""Frames after a seek whose times may be wrong in a transport or program stream: its packets need
not begin with a frame, and not each says a time. And the seconds by which such a seek starts
earlier."""
STEP_BACK_S = 1.0
"""Seconds by which a second try starts earlier, where a seek ended too late; doubled each time."""
LEAD_S = 1.0
"""Seconds that are read before a frame through the clock, whose times follow from those before."""
BEFORE_ALL_S = 10.0
"""Seconds before the first frame at which a seek to the beginning starts."""


class ReadFrame(NamedTuple):
    """A frame that was read for a wanted one."""

    number: int
    """Of the wanted frame in the source, from 0."""
    frame: VideoFrame
    found: bool
    """False where the wanted frame could not be read, and a neighbour takes its place."""


class FrameReader(Closing):
    """Frames of one video by number and time. A context manager that holds the file open.

    Decodes on the caller's thread.
    """

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        streams: StreamChoice,
        clock: Clock,
    ) -> None:
        """The reader owns the container and closes it."""
        self.container = container
        self.stream = stream
        stream.thread_type = "NONE"  # clips are made in parallel, one process a core
        self._path, self._streams = path, streams
        self._timeless_packets = holds_decoding_times(container)
        self._lead = 1 if streams.deinterlace else 0
        """Frames that must come between a seek and the first wanted one."""
        if Flags(container.format.flags) & Flags.ts_discont:
            self._lead = UNSURE
        self._tick_s = float(stream.time_base or 0.001)
        self._origin = stream.start_time or 0
        timeless = bool(Flags(container.format.flags) & Flags.no_timestamps)
        self._local = clock.local and not timeless
        self._by_number = (clock.corrected and not self._local) or timeless
        if self._local:
            self._tick_s = EPSILON_S

    @classmethod
    def open(
        cls, path: Path, streams: StreamChoice = BEST_STREAMS, clock: Clock = NO_CORRECTION
    ) -> Self:
        """Opens a video that was there when it was analysed.

        Args:
            streams: what was analysed.
            clock: as the analysis found it.

        Raises:
            InputError: when the file is no longer there, or is no longer that video.
        """
        return cls(path, *open_again(path, streams), streams, clock)

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self.container.close()

    def frames(
        self, numbers: NDArray[np.int32], times_s: NDArray[np.float64]
    ) -> Iterator[ReadFrame]:
        """One frame for each number, in order.

        Where a frame cannot be read (a damaged file), the one before takes its place, or the one
        after where there is none before. Where no frame can be read, none is given.

        Args:
            numbers: ``(n,)`` of the wanted frames in the source, ascending.
            times_s: ``(n,)`` their presentation times in seconds, as the analysis gave them.
        """
        if self._by_number:
            return self._in_order(numbers.tolist())
        ticks = np.rint(times_s / self._tick_s).astype(np.int64)
        return self._sought(ticks.tolist(), numbers.tolist())

    def frame_at(self, time_s: float) -> VideoFrame | None:
        """The frame of a presentation time in seconds; None where none can be read."""
        if not self._by_number:
            one = np.array([time_s])
            return next((read.frame for read in self.frames(np.zeros(1, np.int32), one)), None)
        last = None
        with closing(self._from_the_start()) as timed:
            for frame, frame_s in timed:
                if last is not None and frame_s > time_s + EPSILON_S:
                    break
                last = frame
        return last

    def _in_order(self, numbers: Sequence[int]) -> Iterator[ReadFrame]:
        left = list(reversed(numbers))
        last = None
        with closing(self._from_the_start()) as timed:
            for number, (frame, _) in enumerate(timed):
                while left and left[-1] == number:
                    yield ReadFrame(left.pop(), frame, True)
                if not left:
                    return
                last = frame
        while left and last is not None:
            yield ReadFrame(left.pop(), last, False)

    def _from_the_start(self) -> Generator[tuple[VideoFrame, float]]:
        """All frames with their times, through the clock of the analysis."""
        with VideoFile(self._path, self._streams) as file:
            file.stream.thread_type = "NONE"
            yield from RisingTimes(file).of(self._whole(decoded_frames(file)))

    def _whole(self, frames: Generator[VideoFrame]) -> Generator[VideoFrame]:
        """The frames, deinterlaced where that is wanted."""
        return Deinterlacer().of(frames) if self._streams.deinterlace else frames

    def _sought(self, ticks: Sequence[Tick], numbers: Sequence[int]) -> Iterator[ReadFrame]:
        left = list(zip(ticks, numbers, strict=True))
        left.reverse()
        needed = frozenset(ticks)
        last = None
        while left:
            jump = False
            for tick, frame in self._from(left[-1][0], needed):
                while left and left[-1][0] < tick:
                    yield ReadFrame(left.pop()[1], last or frame, False)
                while left and left[-1][0] == tick:
                    yield ReadFrame(left.pop()[1], frame, True)
                    jump = bool(left) and self._jump_pays(tick, left[-1][0])
                last = frame
                if jump or not left:
                    break
            if not jump:
                break
        while left and last is not None:
            yield ReadFrame(left.pop()[1], last, False)

    def _from(self, first: Tick, needed: frozenset[Tick]) -> Iterator[tuple[Tick, VideoFrame]]:
        """Decoded frames, of which the first is not later than ``first``, if there is one."""
        back_s = UNSURE_S if self._lead > 1 else 0.0
        while True:
            start = first - min(self._lead, 1) - round(back_s / self._tick_s)
            if self._local:
                decoded = self._through_clock(start)
            else:
                self._seek(start)
                decoded = self._decoded(needed)
            before, last, opening = 0, None, None
            for opening in decoded:
                if opening[0] >= first:
                    break
                before, last, opening = before + 1, opening, None
            exact = opening is not None and opening[0] == first
            if before >= max(self._lead, not exact) or start <= 0:
                break
            back_s = max(STEP_BACK_S, 2 * back_s)
        yield from filter(None, (last, opening))
        yield from decoded

    def _through_clock(self, start: Tick) -> Iterator[tuple[Tick, VideoFrame]]:
        """Frames from a key frame before ``start`` on, with the times of the analysis."""
        with VideoFile(self._path, self._streams) as file:
            file.stream.thread_type = "NONE"
            if start * self._tick_s > LEAD_S:
                file.seek(start * self._tick_s - LEAD_S)
            for frame, time_s in RisingTimes(file).of(self._whole(decoded_frames(file))):
                yield round(time_s / self._tick_s), frame

    def _seek(self, start: Tick) -> None:
        """To the key frame at or before ``start``, or to the first one."""
        # A transport stream finds its first key frame only from well before it; some other formats
        # refuse to seek there.
        before_all = self._origin - round(BEFORE_ALL_S / self._tick_s)
        for at in (self._origin + start,) if start > 0 else (before_all, self._origin):
            try:
                self.container.seek(at, stream=self.stream, backward=True)
                return
            except av.error.FFmpegError:
                continue

    def _decoded(self, needed: frozenset[Tick]) -> Iterator[tuple[Tick, VideoFrame]]:
        """Frames from the current position on; a damaged packet costs no frames but its own."""
        for frame in self._whole(self._from_packets(needed)):
            if frame.pts is not None:
                yield frame.pts - self._origin, frame

    def _from_packets(self, needed: frozenset[Tick]) -> Generator[VideoFrame]:
        context = self.stream.codec_context
        try:
            for packet in packets_of(self.container, self.stream):
                if self._timeless_packets:
                    packet.pts = packet.dts
                unneeded = packet.pts is not None and packet.pts - self._origin not in needed
                skipped = unneeded and not self._streams.deinterlace
                context.skip_frame = "NONREF" if skipped else "DEFAULT"
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    continue
        except av.error.FFmpegError:
            return

    def _jump_pays(self, now: Tick, then: Tick) -> bool:
        """Whether a key frame lies between, so that a seek saves decoding."""
        gap_s = (then - now) * self._tick_s
        if gap_s < JUMP_S:
            return False
        if self._local:
            return gap_s > BLIND_JUMP_S
        entries = self.stream.index_entries
        if not len(entries):
            return gap_s > BLIND_JUMP_S
        key = entries.search_timestamp(self._origin + then, backward=True)
        return key >= 0 and entries[key].timestamp > self._origin + now
