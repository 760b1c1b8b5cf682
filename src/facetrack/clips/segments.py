"""Cuts a person's time on screen into the spans that become clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.analysis import Interval
from facetrack.media.decode import EPSILON_S
from facetrack.settings import ClipSettings


@dataclass(frozen=True)
class Segment:
    """What one clip shows: frames ``[start_frame, end_frame)``, times in seconds."""

    person: int
    index: int
    """From 1, in the order of time."""
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


def segments_of(
    person: int,
    intervals: Sequence[Interval],
    edges_s: NDArray[np.float64],
    first_frame: int,
    settings: ClipSettings,
) -> list[Segment]:
    """Segments of one person.

    Args:
        edges_s: presentation time of each analysed frame, and the end of the last one.
        first_frame: the frame that ``edges_s[0]`` belongs to.
    """
    segments: list[Segment] = []
    for start, end in _spans(person, intervals, settings.max_gap):
        for a, b in _slices(edges_s[start - first_frame : end - first_frame + 1], settings):
            segments.append(
                Segment(
                    person,
                    len(segments) + 1,
                    start + a,
                    start + b,
                    float(edges_s[start + a - first_frame]),
                    float(edges_s[start + b - first_frame]),
                )
            )
    return segments


def _spans(person: int, intervals: Sequence[Interval], max_gap: int) -> list[tuple[int, int]]:
    """The person's intervals, joined over gaps of fewer than ``max_gap`` frames."""
    spans: list[tuple[int, int]] = []
    for interval in sorted(intervals, key=lambda i: i.start_frame):
        if interval.person != person:
            continue
        if spans and interval.start_frame - spans[-1][1] < max_gap:
            spans[-1] = (spans[-1][0], interval.end_frame)
        else:
            spans.append((interval.start_frame, interval.end_frame))
    return spans


def _slices(edges_s: NDArray[np.float64], settings: ClipSettings) -> list[tuple[int, int]]:
    """Half-open frame ranges inside one span, each as long as a segment; a short rest goes."""
    starts_s = np.arange(edges_s[0], edges_s[-1] - EPSILON_S, settings.segment_length_s)
    cuts = [*np.searchsorted(edges_s, starts_s - EPSILON_S), len(edges_s) - 1]
    return [
        (int(a), int(b))
        for a, b in pairwise(cuts)
        if b > a and edges_s[b] - edges_s[a] >= settings.min_length_s - EPSILON_S
    ]
