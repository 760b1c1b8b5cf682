"""What a panel shows in a shot in which its person is never seen.

The person's last crop belongs to another shot: in this one it would show an empty spot or somebody
else. In a clip of several panels, a frame of the person is held instead; in a clip of one panel,
the shot is shown in the largest crop that fits.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.camera.crop_path import crop_path, inside_frame
from facetrack.clips.camera.framing import Framing
from facetrack.core.errors import InputError
from facetrack.timeline import Analysis, boxes_of, landmarks_of

Float64 = NDArray[np.float64]


def offscreen_ranges(
    at: NDArray[np.intp], people: NDArray[np.int32], starts: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Ranges ``(start, end, person)`` between cuts in which a panel's person is not seen.

    Args:
        at: ``(k,)`` positions at which the person is seen, ascending.
        people: ``(n,)`` the person whom the panel shows, who changes only at cuts.
        starts: positions of the cuts, the first of them 0.
    """
    edges = [*starts, len(people)]
    seen = np.diff(np.searchsorted(at, edges)) > 0
    ranges = zip(pairwise(edges), seen, strict=True)
    return [(a, b, int(people[a])) for (a, b), there in ranges if not there]


def fill_offscreen(
    crops: Float64,
    frames: NDArray[np.int32],
    person: int,
    analysis: Analysis,
    framing: Framing,
    hold: bool,
    start_end: slice,
) -> float:
    """Sets ``crops[start_end]``; gives the time in seconds of the frame held there, or NaN.

    A person who is seen elsewhere in the same shot keeps the crop nearest in time. Otherwise the
    last frame that shows the person before the range is held (or the first one after it, where
    there is none before), if ``hold``; else the largest crop is set.

    Args:
        crops: ``(n, 4)`` of the panel; valid where the person is seen.
        frames: ``(n,)`` frames of the source, ascending.

    Raises:
        InputError: when the analysis has no face of the person.
    """
    first, last = frames[start_end][[0, -1]]
    mine = np.flatnonzero(analysis.faces["person"].to_numpy() == person)
    if not len(mine):
        raise InputError(f"person {person} has no face in the analysis; choose another")
    frames_with = analysis.faces["frame"].to_numpy()[mine]
    cuts = [shot.start_frame for shot in analysis.shots]
    here = np.flatnonzero(
        np.searchsorted(cuts, frames_with, "right") == np.searchsorted(cuts, first, "right")
    )
    if len(here):
        nearest = here[np.argmin(np.maximum(first - frames_with[here], frames_with[here] - last))]
    elif hold:  # the last one before, or else the first one
        nearest = max(int(np.searchsorted(frames_with, first)) - 1, 0)
    else:
        crops[start_end] = _widest(analysis.size_at(int(first)), framing)
        return np.nan
    position = int(np.searchsorted(frames, frames_with[nearest]))
    if position < len(frames) and frames[position] == frames_with[nearest]:
        crops[start_end] = crops[position]
    else:
        crops[start_end] = _framed_alone(mine[nearest], analysis, framing)
    if len(here):
        return np.nan
    return float(analysis.frame_times[frames_with[nearest] - analysis.first_frame])


def _widest(image: tuple[int, int], framing: Framing) -> Float64:
    """``(1, 4)`` the largest crop of the aspect, in the middle of the frame."""
    width, height = image
    whole = np.array([[width / 2, height / 2, height * framing.crop_aspect, height]])
    return inside_frame(whole, image)


def _framed_alone(row: int, analysis: Analysis, framing: Framing) -> Float64:
    """``(1, 4)`` the crop for one row of the faces' table."""
    face = analysis.faces.take([row])
    return crop_path(
        np.zeros(1),
        np.zeros(1, np.intp),
        boxes_of(face).astype(np.float64),
        landmarks_of(face).astype(np.float64),
        (),
        analysis.size_at(int(face["frame"][0].as_py())),
        framing,
    )
