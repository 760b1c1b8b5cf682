"""Ranges of frames, their times, and unions, intersections and differences of ranges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EPSILON_S = 1e-6
"""Seconds by which two times may differ and be the same."""

StartEnd = tuple[int, int]
"""First frame and the one after the last."""


@dataclass(frozen=True)
class FrameRange:
    """Frames ``[start_frame, end_frame)`` of the source, and their presentation times."""

    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: float
    end_s: float
    """Presentation time of the frame after the last one, or the end of the video."""


@dataclass(frozen=True)
class FrameTimes:
    """When each analysed frame is on screen."""

    edges_s: NDArray[np.float64]
    """Presentation time of each frame, and the end of the last one."""
    first_frame: int
    """The frame that ``edges_s[0]`` belongs to."""

    @property
    def whole(self) -> StartEnd:
        """All frames: the first, and the one after the last."""
        return self.first_frame, self.first_frame + len(self.edges_s) - 1

    def at(self, frame: int) -> float:
        """When the frame begins, or the one before it ends."""
        return float(self.edges_s[frame - self.first_frame])

    def frame_range(self, start: int, end: int) -> FrameRange:
        """Of these frames, with their presentation times in seconds."""
        return FrameRange(start, end, self.at(start), self.at(end))

    def near(self, time_s: float) -> int:
        """The first frame that begins no earlier (the end when none does)."""
        return self.first_frame + int(np.searchsorted(self.edges_s[:-1], time_s - EPSILON_S))


def union(ranges: Iterable[StartEnd]) -> list[StartEnd]:
    """The same frames, in order, by stretches that neither overlap nor touch."""
    found: list[StartEnd] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def frame_count(ranges: Iterable[StartEnd]) -> int:
    """How many there are; the stretches do not overlap."""
    return sum(end - first for first, end in ranges)


def intersection(ranges: Iterable[StartEnd], others: Sequence[StartEnd]) -> list[StartEnd]:
    """Where both are; ``others`` neither overlap nor touch."""
    return [(max(a, c), min(b, d)) for a, b in ranges for c, d in others if max(a, c) < min(b, d)]


def difference(ranges: Iterable[StartEnd], others: Sequence[StartEnd]) -> list[StartEnd]:
    """Where no other is; ``others`` are in order and do not overlap."""
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
    """Where the flags are set, in one piece each; ``flags[0]`` is of frame ``first``."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)) + first
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
