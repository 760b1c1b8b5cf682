"""What a clip shows, frame by frame: made by the plan, written by the renderer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.core.frame_range import FrameRange

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """The people and the time that one clip shows."""

    people: tuple[int, ...]
    """In the order of their panels."""
    index: int
    """Counts the segments of these people from 1, in the order of time."""
    ranges: tuple[FrameRange, ...]
    """In order, without overlap; the clip shows them one after the other."""


@dataclass(frozen=True)
class Panel:
    """A part of the clip's frame, and what of the source it shows."""

    place: tuple[int, int, int, int]
    """x, y, width and height in pixels of the clip; all even."""
    people: NDArray[np.int32]
    """``(m,)`` the person it shows, for each frame of the clip."""
    crops: Float64
    """``(m, 4)`` centre x, centre y, width and height in pixels of the upright source."""
    still_s: Float64
    """``(m,)`` where the person is not in the shot: the presentation time in seconds of the source
    frame that is held and dimmed instead. NaN: the clip's own frame is shown."""


def enlargement(panels: Sequence[Panel]) -> float:
    """How many times the crops are enlarged: the median of a panel's frames; the largest of all
    panels."""
    return max(float(np.median(panel.place[3] / panel.crops[:, 3])) for panel in panels)


@dataclass(frozen=True)
class Clip:
    """One file of ``m`` frames, each of which shows a frame of the source.

    Where the clip has its own frame rate, a source frame may be shown twice, or not at all.
    """

    path: Path
    """Relative to the output folder."""
    segment: Segment
    size: tuple[int, int]
    """Width and height in pixels; even."""
    frames: NDArray[np.int32]
    """``(m,)`` frames of the source, in order."""
    source_s: Float64
    """``(m,)`` their presentation times in seconds."""
    edges_s: Float64
    """``(m + 1,)`` seconds from the clip's start at which frames begin and the last one ends."""
    panels: tuple[Panel, ...]
