"""Cuts people's time on screen into the segments that become clips.

Takes ranges of frames and gives segments, and the rejected ranges with the reason; reads no files.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from facetrack.clips.plan.clip import Segment
from facetrack.core.frame_range import EPSILON_S, FrameRange, FrameTimes, StartEnd
from facetrack.core.settings import ClipSettings


@dataclass(frozen=True)
class Rejected:
    """A range in which a chosen person is on screen, but which is in no clip."""

    people: tuple[int, ...]
    frame_range: FrameRange
    reason: str
    """``too short`` or ``no speech``; in a data set also ``too small``, ``turned away``,
    ``blurred``, ``enlarged``, ``another face`` or ``somebody forgotten``."""
    detail: str
    """The measured value and the needed one, where the reason has one."""
    track: int | None = None
    """In a data set, whose clips show one track."""


def segments_of(
    people: tuple[int, ...],
    ranges: Sequence[StartEnd],
    frame_times: FrameTimes,
    settings: ClipSettings,
) -> tuple[list[Segment], list[Rejected]]:
    """Cuts ranges, which are in order and do not overlap, into segments.

    With ``condense``, one segment shows all ranges; else each range is cut every
    ``segment_length_s`` seconds.
    """
    pieces = [p for s in ranges for p in _pieces(s, frame_times, settings)]
    kept: list[FrameRange] = []
    rejected: list[Rejected] = []
    for frame_range in (frame_times.frame_range(*piece) for piece in pieces):
        seconds = frame_range.end_s - frame_range.start_s
        if seconds >= settings.min_length_s - EPSILON_S:
            kept.append(frame_range)
        else:
            detail = f"{seconds:.2f} s, {settings.min_length_s:g} s needed"
            rejected.append(Rejected(people, frame_range, "too short", detail))
    if settings.condense:
        return [Segment(people, 1, tuple(kept))] if kept else [], rejected
    return [
        Segment(people, i, (frame_range,)) for i, frame_range in enumerate(kept, start=1)
    ], rejected


def on_screen(intervals: Iterable[StartEnd], cuts: Sequence[int], max_gap: int) -> list[StartEnd]:
    """Intervals, joined over gaps of fewer than ``max_gap`` frames, and split at ``cuts``."""
    joined: list[StartEnd] = []
    for start, end in sorted(piece for i in intervals for piece in _cut(i, cuts)):
        near = bool(joined) and start - joined[-1][1] < max_gap
        if near and bisect_right(cuts, joined[-1][0]) == bisect_right(cuts, start):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def padded(
    ranges: list[StartEnd], cuts: Sequence[int], frame_times: FrameTimes, pad_s: float
) -> list[StartEnd]:
    """Ranges extended by ``pad_s`` seconds on both sides, but over no cut.

    Where two extended ranges would overlap, both end in the middle between them.
    """
    first, end = frame_times.whole
    walls = [first, *cuts, end]
    found = []
    for i, (a, b) in enumerate(ranges):
        before = (ranges[i - 1][1] + a + 1) // 2 if i else first
        after = (b + ranges[i + 1][0] + 1) // 2 if i + 1 < len(ranges) else end
        floor = max(before, *(w for w in walls if w <= a))
        roof = min(after, *(w for w in walls if w >= b))
        start, stop = (
            frame_times.near(frame_times.at(a) - pad_s),
            frame_times.near(frame_times.at(b) + pad_s),
        )
        found.append((max(floor, start), min(roof, stop)))
    return found


def _pieces(
    start_end: StartEnd, frame_times: FrameTimes, settings: ClipSettings
) -> Iterator[StartEnd]:
    """Parts of a range, each as long as a segment, and the rest; with ``condense`` the whole."""
    if settings.condense:
        yield start_end
        return
    start, end = (frame - frame_times.first_frame for frame in start_end)
    edges_s = frame_times.edges_s[start : end + 1]
    starts_s = np.arange(edges_s[0], edges_s[-1] - EPSILON_S, settings.segment_length_s)
    cuts = [*np.searchsorted(edges_s, starts_s - EPSILON_S), len(edges_s) - 1]
    yield from ((start_end[0] + int(a), start_end[0] + int(b)) for a, b in pairwise(cuts) if a < b)


def _cut(start_end: StartEnd, cuts: Sequence[int]) -> list[StartEnd]:
    inner = [c for c in cuts if start_end[0] < c < start_end[1]]
    return list(pairwise([start_end[0], *inner, start_end[1]]))
