"""Cuts people's time on screen into the segments that become clips.

Pure: intervals, cuts and speech in, segments out, and beside them what was left out and why.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.plan.clip import Segment, Span
from facetrack.core.settings import ClipSettings
from facetrack.media.decode import EPSILON_S

Stretch = tuple[int, int]
"""First frame and the one after the last."""


@dataclass(frozen=True)
class Rejected:
    """A time in which somebody chosen is on screen, but that is in no clip."""

    people: tuple[int, ...]
    span: Span
    reason: str
    """``too short``, ``no speech``; of a data set also ``too small``, ``turned away``, ``blurred``
    or ``another face``."""
    detail: str
    track: int | None = None
    """Of a data set, whose clips are of one track."""


@dataclass(frozen=True)
class Clock:
    """When each analysed frame is on screen."""

    edges_s: NDArray[np.float64]
    """Presentation time of each frame, and the end of the last one."""
    first_frame: int
    """The frame that ``edges_s[0]`` belongs to."""

    @property
    def whole(self) -> Stretch:
        """All frames: the first, and the one after the last."""
        return self.first_frame, self.first_frame + len(self.edges_s) - 1

    def at(self, frame: int) -> float:
        """When the frame begins, or the one before it ends."""
        return float(self.edges_s[frame - self.first_frame])

    def span(self, start: int, end: int) -> Span:
        """Of these frames, with their presentation times in seconds."""
        return Span(start, end, self.at(start), self.at(end))

    def near(self, time_s: float) -> int:
        """The first frame that begins no earlier (the end when none does)."""
        return self.first_frame + int(np.searchsorted(self.edges_s[:-1], time_s - EPSILON_S))


def segments_of(
    people: tuple[int, ...],
    stretches: Sequence[Stretch],
    clock: Clock,
    settings: ClipSettings,
) -> tuple[list[Segment], list[Rejected]]:
    """Segments of ``stretches``, which are in order and do not overlap.

    With ``condense`` one of all of them; else each is cut every ``segment_length_s``.
    """
    pieces = [p for s in stretches for p in _pieces(s, clock, settings)]
    kept: list[Span] = []
    left_out: list[Rejected] = []
    for span in (clock.span(*piece) for piece in pieces):
        seconds = span.end_s - span.start_s
        if seconds >= settings.min_length_s - EPSILON_S:
            kept.append(span)
        else:
            detail = f"{seconds:.2f} s, {settings.min_length_s:g} s needed"
            left_out.append(Rejected(people, span, "too short", detail))
    if settings.condense:
        return [Segment(people, 1, tuple(kept))] if kept else [], left_out
    return [Segment(people, i, (span,)) for i, span in enumerate(kept, start=1)], left_out


def on_screen(intervals: Iterable[Stretch], cuts: Sequence[int], max_gap: int) -> list[Stretch]:
    """Intervals, joined over gaps of fewer than ``max_gap`` frames; none goes on over ``cuts``."""
    joined: list[Stretch] = []
    for start, end in sorted(piece for i in intervals for piece in _cut(i, cuts)):
        near = bool(joined) and start - joined[-1][1] < max_gap
        if near and bisect_right(cuts, joined[-1][0]) == bisect_right(cuts, start):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def padded(
    stretches: list[Stretch], cuts: Sequence[int], clock: Clock, pad_s: float
) -> list[Stretch]:
    """Longer by ``pad_s`` on both sides, over no cut; two that would meet share what is between."""
    first, end = clock.whole
    walls = [first, *cuts, end]
    found = []
    for i, (a, b) in enumerate(stretches):
        before = (stretches[i - 1][1] + a + 1) // 2 if i else first
        after = (b + stretches[i + 1][0] + 1) // 2 if i + 1 < len(stretches) else end
        floor = max(before, *(w for w in walls if w <= a))
        roof = min(after, *(w for w in walls if w >= b))
        start, stop = clock.near(clock.at(a) - pad_s), clock.near(clock.at(b) + pad_s)
        found.append((max(floor, start), min(roof, stop)))
    return found


def within(stretches: Iterable[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    """Where both are; ``others`` neither overlap nor touch."""
    return [
        (max(a, c), min(b, d)) for a, b in stretches for c, d in others if max(a, c) < min(b, d)
    ]


def without(stretches: Iterable[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    """Where no other is; ``others`` are in order and do not overlap."""
    found = []
    for start, end in stretches:
        for a, b in others:
            if start < a < end:
                found.append((start, a))
            if a < end:
                start = max(start, b)
        if start < end:
            found.append((start, end))
    return found


def runs_of(flags: NDArray[np.bool_], first: int) -> list[Stretch]:
    """Where the flags are set, in one piece each; ``flags[0]`` is of frame ``first``."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)) + first
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _pieces(stretch: Stretch, clock: Clock, settings: ClipSettings) -> Iterator[Stretch]:
    """The stretch, or parts of it each as long as a segment, and the rest."""
    if settings.condense:
        yield stretch
        return
    start, end = (frame - clock.first_frame for frame in stretch)
    edges_s = clock.edges_s[start : end + 1]
    starts_s = np.arange(edges_s[0], edges_s[-1] - EPSILON_S, settings.segment_length_s)
    cuts = [*np.searchsorted(edges_s, starts_s - EPSILON_S), len(edges_s) - 1]
    yield from ((stretch[0] + int(a), stretch[0] + int(b)) for a, b in pairwise(cuts) if a < b)


def _cut(stretch: Stretch, cuts: Sequence[int]) -> list[Stretch]:
    inner = [c for c in cuts if stretch[0] < c < stretch[1]]
    return list(pairwise([stretch[0], *inner, stretch[1]]))
