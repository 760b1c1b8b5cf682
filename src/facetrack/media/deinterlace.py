"""Makes interlaced frames whole: each gets lines of one moment in place of lines of two.

libavfilter's bwdif gives one frame for each that is coded, so numbers and times stay. It needs the
frames before and after. Frames that are not marked as interlaced pass as they are, and a film
without any pays nothing.
"""

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from fractions import Fraction

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

PROGRESSIVE_UNTIL = 50
"""Frames in a row that are not interlaced, after which the filter is closed."""
ANY_TIME_BASE = Fraction(1, 1000)
"""Of frames that have none; the filter does not look at times."""


class Deinterlacer:
    """Deinterlaces the frames of one pass through a film."""

    def __init__(self, threads: int = 1) -> None:
        """``threads``: number of threads that the filter uses; 0: as many as there are cores."""
        self.met = False
        """Whether a frame so far was interlaced."""
        self._threads = threads

    def of(self, frames: Generator[VideoFrame]) -> Generator[VideoFrame]:
        """The frames in the same order, with their times, of which the interlaced ones are whole.

        Args:
            frames: decoded frames in presentation order; closed with the returned generator.
        """
        before: VideoFrame | None = None
        bwdif: _Bwdif | None = None
        with closing(frames):
            for frame in frames:
                if bwdif is not None and not bwdif.goes_on(frame):
                    yield from bwdif.rest()
                    bwdif = None
                if bwdif is None and frame.interlaced_frame:
                    self.met = True
                    bwdif = _opened(before, frame, self._threads)
                if bwdif is None:
                    yield frame
                else:
                    yield from bwdif.put(frame)
                before = frame
            if bwdif is not None:
                yield from bwdif.rest()


class _Bwdif:
    """The filter for frames of one size and format, which follow each other."""

    def __init__(self, frame: VideoFrame, threads: int) -> None:
        """Raises ``FFmpegError`` where frames are too small for the filter."""
        self._form = _form_of(frame)
        self._graph = Graph()
        self._graph.threads = threads
        source = self._graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or ANY_TIME_BASE,
        )
        bwdif = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        self._graph.link_nodes(source, bwdif, self._graph.add("buffersink")).configure()
        self._waiting: deque[VideoFrame | None] = deque()
        """The frames in the filter; None: one that is not given."""
        self._progressive = 0

    def goes_on(self, frame: VideoFrame) -> bool:
        """Whether the filter still fits and is still needed."""
        return _form_of(frame) == self._form and self._progressive < PROGRESSIVE_UNTIL

    def lead(self, frame: VideoFrame) -> None:
        """Takes the frame before the first one, which is not given."""
        self._graph.vpush(frame)
        self._waiting.append(None)

    def put(self, frame: VideoFrame) -> Iterable[VideoFrame]:
        """Takes the next frame; gives what is complete."""
        self._progressive = 0 if frame.interlaced_frame else self._progressive + 1
        self._graph.vpush(frame)
        self._waiting.append(frame)
        return self._complete()

    def rest(self) -> Iterable[VideoFrame]:
        """The frames that wait for one after them."""
        self._graph.vpush(None)
        return [*self._complete(), *filter(None, self._waiting)]

    def _complete(self) -> Iterable[VideoFrame]:
        given = []
        while self._waiting:
            try:
                made = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            frame = self._waiting.popleft()
            if frame is not None:
                given.append(_timed(made, frame) if frame.interlaced_frame else frame)
        return given


def _opened(before: VideoFrame | None, frame: VideoFrame, threads: int) -> _Bwdif | None:
    """The filter from a frame on; None: it does not take such frames."""
    try:
        bwdif = _Bwdif(frame, threads)
        if before is not None and bwdif.goes_on(before):
            bwdif.lead(before)
    except av.error.FFmpegError:
        return None
    return bwdif


def _form_of(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _timed(made: VideoFrame, frame: VideoFrame) -> VideoFrame:
    """The frame that was made of another, with its times: the filter counts in other units."""
    made.pts, made.dts, made.duration = frame.pts, frame.dts, frame.duration
    if frame.time_base:
        made.time_base = frame.time_base
    return made
