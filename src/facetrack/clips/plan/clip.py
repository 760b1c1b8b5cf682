"""What a clip shows, frame by frame: made by the plan, carried out by the writer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrack.core.frame_range import FrameRange

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """What one clip is about."""

    people: tuple[int, ...]
    """In the order of their panels."""
    index: int
    """From 1, in the order of time, among the segments of these people."""
    spans: tuple[FrameRange, ...]
    """In order, without overlap; the clip shows them one after the other."""


@dataclass(frozen=True)
class Panel:
    """A part of the clip's frame, and what of the source it shows."""

    place: tuple[int, int, int, int]
    """x, y, width and height in pixels of the clip; all even."""
    people: NDArray[np.int32]
    """``(m,)`` whom it shows, for each frame of the clip."""
    crops: Float64
    """``(m, 4)`` centre x, centre y, width and height in pixels of the upright source."""
    still_s: Float64
    """``(m,)`` the presentation time of the frame of the source that is held, dimmed, where the
    person is not in the shot; NaN: the clip's own frame is shown."""


@dataclass(frozen=True)
class Clip:
    """One file: ``m`` frames, each showing a frame of the source.

    A frame may be shown twice, or not at all, where the clip has a frame rate of its own.
    """

    path: Path
    """Relative to the output folder."""
    segment: Segment
    size: tuple[int, int]
    """Width and height in pixels; even."""
    frames: NDArray[np.int32]
    """``(m,)`` frames of the source, in order."""
    source_s: Float64
    """``(m,)`` their presentation times."""
    edges_s: Float64
    """``(m + 1,)`` times at which the clip's frames begin, from 0, and the end of the last."""
    panels: tuple[Panel, ...]
