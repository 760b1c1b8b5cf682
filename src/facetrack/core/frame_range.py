"""Ranges of frames: their presentation times, union, intersection and difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EPSILON_S = 1e-6
"""Two times that differ by less, in seconds, count as the same."""

StartEnd = tuple[int, int]
"""First frame, and the frame after the last."""


@dataclass(frozen=True)
class FrameRange:
    """Frames ``[start_frame, end_frame)`` of the source, and the times when they are shown."""

    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: float
    end_s: float
    """Presentation time of frame ``end_frame``, or the end of the video, in seconds."""


@dataclass(frozen=True)
class FrameTimes:
    """When each analysed frame is shown."""

    edges_s: NDArray[np.float64]
    """``(n + 1,)`` presentation times in seconds of ``n`` frames, and the end of the last."""
    first_frame: int
    """Number of the frame that begins at ``edges_s[0]``."""

    @property
    def whole(self) -> StartEnd:
        """All analysed frames: the first, and the one after the last."""
        return self.first_frame, self.first_frame + len(self.edges_s) - 1

    def at(self, frame: int) -> float:
        """Time in seconds at which the frame begins; for the frame after the last, the end."""
        return float(self.edges_s[frame - self.first_frame])

    def frame_range(self, start: int, end: int) -> FrameRange:
        """The frames ``[start, end)`` with their presentation times."""
        return FrameRange(start, end, self.at(start), self.at(end))

    def near(self, time_s: float) -> int:
        """The first frame that begins at this time or later; the end when there is none."""
        return self.first_frame + int(np.searchsorted(self.edges_s[:-1], time_s - EPSILON_S))


def union(ranges: Iterable[StartEnd]) -> list[StartEnd]:
    """All frames that are in any range, as ordered ranges that neither overlap nor touch."""
    found: list[StartEnd] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def frame_count(ranges: Iterable[StartEnd]) -> int:
    """Number of frames in ranges that do not overlap."""
    return sum(end - first for first, end in ranges)


def intersection(ranges: Iterable[StartEnd], others: Sequence[StartEnd]) -> list[StartEnd]:
    """Frames that are in ``ranges`` and in ``others``; ``others`` neither overlap nor touch."""
    return [(max(a, c), min(b, d)) for a, b in ranges for c, d in others if max(a, c) < min(b, d)]


def difference(ranges: Iterable[StartEnd], others: Sequence[StartEnd]) -> list[StartEnd]:
    """Frames of ``ranges`` that are not in ``others``, which are ordered and do not overlap."""
    found = []
    for start, end in ranges:
        for a, b in others:
            if start < a < end:
                found.append((start, a))
            if a < end:
                start = max(start, b)
        if start < end:
            found.append((start, end))
    return found


def ranges_where(flags: NDArray[np.bool_], first: int) -> list[StartEnd]:
    """Ranges of frames whose flag is set; ``flags[0]`` belongs to frame ``first``."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)) + first
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
