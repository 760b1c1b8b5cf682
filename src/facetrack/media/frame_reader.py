"""Reads chosen frames of a video once, in order, and decodes little else.

Each key frame is an entry: reading begins at the one before the first frame wanted, and leaps to a
later one where that saves decoding. On the way, frames that no other is made of are left out.
"""

from collections.abc import Iterator

import av.error
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

Tick = int
"""The stream's own clock, from 0 at its start."""

LEAP_S = 1.0
"""Shorter gaps are decoded through: to empty and refill the decoder costs as much."""
BLIND_LEAP_S = 12.0
"""Where the file has no list of its key frames; rarely are they further apart."""
STEP_BACK_S = 1.0
"""How much earlier a second try begins where a seek came out too late; doubled each time."""
BEFORE_ALL_S = 10.0
"""Earlier than a file's first frame is by its own clock."""


class FrameReader:
    """Frames of one video stream by their presentation times."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        stream.thread_type = "NONE"  # clips are made side by side, a process a core
        self._tick_s = float(stream.time_base or 0.001)
        self._origin = stream.start_time or 0
        self._timeless = bool(Flags(container.format.flags) & Flags.no_timestamps)

    def ticks(self, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Of presentation times in seconds from the stream's start."""
        return np.rint(times_s / self._tick_s).astype(np.int64)

    def frames(self, wanted: NDArray[np.int64]) -> Iterator[tuple[Tick, VideoFrame, bool]]:
        """For each tick, ascending, its frame, and whether it is that frame.

        One that cannot be read again is stood in for by the one before it, or else the one after.
        """
        left = wanted.tolist()
        left.reverse()
        needed = frozenset(left)
        last = None
        while left:
            leap = False
            for tick, image in self._from(left[-1], needed):
                while left and left[-1] < tick:
                    yield left.pop(), last or image, False
                if left and left[-1] == tick:
                    yield left.pop(), image, True
                    leap = bool(left) and self._leap_pays(tick, left[-1])
                last = image
                if leap or not left:
                    break
            if not leap:
                break
        while left and last is not None:
            yield left.pop(), last, False

    def _from(self, first: Tick, needed: frozenset[Tick]) -> Iterator[tuple[Tick, VideoFrame]]:
        """Decoded frames, the first of them not later than ``first``."""
        back_s = 0.0
        while True:
            start = first - round(back_s / self._tick_s)
            if not self._timeless:
                self._seek(start)
            images = self._decoded(needed)
            opening = next(images, None)
            if (opening is not None and opening[0] <= first) or start <= 0 or self._timeless:
                break
            back_s = max(STEP_BACK_S, 2 * back_s)
        if opening is not None:
            yield opening
            yield from images

    def _seek(self, start: Tick) -> None:
        """To the key frame before, or to the first one."""
        # A transport stream finds its first key frame from well before it only; some others
        # refuse to look there.
        before_all = self._origin - round(BEFORE_ALL_S / self._tick_s)
        for at in (self._origin + start,) if start > 0 else (before_all, self._origin):
            try:
                self._container.seek(at, stream=self._stream, backward=True)
                return
            except av.error.FFmpegError:
                continue

    def _decoded(self, needed: frozenset[Tick]) -> Iterator[tuple[Tick, VideoFrame]]:
        """What comes from here on; damage costs its own frames and no others."""
        context = self._stream.codec_context
        frame_s = 1 / float(self._stream.average_rate or self._stream.guessed_rate or 25)
        time_s = -frame_s
        try:
            for packet in self._container.demux(self._stream):
                unneeded = packet.pts is not None and packet.pts - self._origin not in needed
                context.skip_frame = "NONREF" if unneeded else "DEFAULT"
                try:
                    images = packet.decode()
                except av.error.FFmpegError:
                    continue
                for image in images:
                    if image.pts is None:  # raw streams carry no times
                        time_s += frame_s
                    else:
                        time_s = (image.pts - self._origin) * self._tick_s
                    yield round(time_s / self._tick_s), image
        except av.error.FFmpegError:
            return

    def _leap_pays(self, now: Tick, then: Tick) -> bool:
        gap_s = (then - now) * self._tick_s
        if gap_s < LEAP_S or self._timeless:
            return False
        entries = self._stream.index_entries
        if not len(entries):
            return gap_s > BLIND_LEAP_S
        key = entries.search_timestamp(self._origin + then, backward=True)
        return key >= 0 and entries[key].timestamp > self._origin + now
