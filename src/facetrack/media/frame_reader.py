"""Reads chosen frames of a video, in order, and decodes little else.

Decoding can begin at every key frame. So reading starts at the key frame before the first wanted
frame, and jumps to a later key frame where that saves decoding. On the way, frames that no other
frame depends on are skipped.
"""

from collections.abc import Iterator
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
from facetrack.media.streams import open_again, packets_of, video_stream

Tick = int
"""A time in units of the stream's time base, 0 at the stream's start."""

JUMP_S = 1.0
"""Shorter gaps are decoded through: to flush and refill the decoder costs as much."""
BLIND_JUMP_S = 12.0
"""The same where the file has no index of its key frames; they are rarely further apart."""
STEP_BACK_S = 1.0
"""Seconds by which a second try starts earlier, where a seek ended too late; doubled each time."""
BEFORE_ALL_S = 10.0
"""Seconds before the first frame at which a seek to the beginning starts."""


class ReadFrame(NamedTuple):
    """A frame that was read for a wanted time."""

    tick: Tick
    """The wanted time."""
    frame: VideoFrame
    found: bool
    """False where the wanted frame could not be read, and a neighbour takes its place."""


class FrameReader(Closing):
    """Frames of one video by their presentation times. A context manager that holds the file open.

    Decodes on the caller's thread.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        """The reader owns the container and closes it."""
        self.container = container
        self.stream = stream
        stream.thread_type = "NONE"  # clips are made in parallel, one process a core
        self._tick_s = float(stream.time_base or 0.001)
        self._origin = stream.start_time or 0
        self._timeless = bool(Flags(container.format.flags) & Flags.no_timestamps)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a video that was there when it was analysed.

        Raises:
            InputError: when the file is no longer there, or is no longer a video.
        """
        container = open_again(path)
        stream = video_stream(container)
        assert stream is not None  # ``open_again`` has seen it
        return cls(container, stream)

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self.container.close()

    def ticks(self, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Presentation times in seconds from the stream's start, as ticks."""
        return np.rint(times_s / self._tick_s).astype(np.int64)

    def frames_at(self, times_s: NDArray[np.float64]) -> Iterator[ReadFrame]:
        """``frames`` at presentation times in seconds, ascending."""
        return self.frames(self.ticks(times_s))

    def frames(self, wanted: NDArray[np.int64]) -> Iterator[ReadFrame]:
        """One frame for each of the ``wanted`` ticks, which ascend.

        Where a frame cannot be read (a damaged file), the one before takes its place, or the one
        after where there is none before. Where no frame can be read, none is given.
        """
        left = wanted.tolist()
        left.reverse()
        needed = frozenset(left)
        last = None
        while left:
            jump = False
            for tick, frame in self._from(left[-1], needed):
                while left and left[-1] < tick:
                    yield ReadFrame(left.pop(), last or frame, False)
                if left and left[-1] == tick:
                    yield ReadFrame(left.pop(), frame, True)
                    jump = bool(left) and self._jump_pays(tick, left[-1])
                last = frame
                if jump or not left:
                    break
            if not jump:
                break
        while left and last is not None:
            yield ReadFrame(left.pop(), last, False)

    def _from(self, first: Tick, needed: frozenset[Tick]) -> Iterator[tuple[Tick, VideoFrame]]:
        """Decoded frames, the first of which is not later than ``first``."""
        back_s = 0.0
        while True:
            start = first - round(back_s / self._tick_s)
            if not self._timeless:
                self._seek(start)
            decoded = self._decoded(needed)
            opening = next(decoded, None)
            if (opening is not None and opening[0] <= first) or start <= 0 or self._timeless:
                break
            back_s = max(STEP_BACK_S, 2 * back_s)
        if opening is not None:
            yield opening
            yield from decoded

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
        context = self.stream.codec_context
        frame_s = 1 / float(self.stream.average_rate or self.stream.guessed_rate or 25)
        time_s = -frame_s
        try:
            for packet in packets_of(self.container, self.stream):
                unneeded = packet.pts is not None and packet.pts - self._origin not in needed
                context.skip_frame = "NONREF" if unneeded else "DEFAULT"
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue
                for frame in frames:
                    if frame.pts is None:  # raw streams carry no times
                        time_s += frame_s
                    else:
                        time_s = (frame.pts - self._origin) * self._tick_s
                    yield round(time_s / self._tick_s), frame
        except av.error.FFmpegError:
            return

    def _jump_pays(self, now: Tick, then: Tick) -> bool:
        """Whether a key frame lies between, so that a seek saves decoding."""
        gap_s = (then - now) * self._tick_s
        if gap_s < JUMP_S or self._timeless:
            return False
        entries = self.stream.index_entries
        if not len(entries):
            return gap_s > BLIND_JUMP_S
        key = entries.search_timestamp(self._origin + then, backward=True)
        return key >= 0 and entries[key].timestamp > self._origin + now
