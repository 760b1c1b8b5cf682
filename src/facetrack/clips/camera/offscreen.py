"""What a panel shows in a shot in which its person is never seen.

Its framing would be of a place in another shot: an empty spot, or somebody else. Beside other
people the last frame of theirs is held; alone in the frame, the shot is shown as wide as fits.
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


def absences(
    at: NDArray[np.intp], people: NDArray[np.int32], starts: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Stretches ``(start, end, person)`` between cuts in which a panel's person is not seen.

    Args:
        at: ``(k,)`` positions at which they are, ascending.
        people: ``(n,)`` whom the panel shows; changes at cuts alone.
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
    """Sets ``crops[start_end]``; the time of the frame that is held there, NaN: none is.

    Someone who is seen elsewhere in the same shot is waited for where they were, or will be.

    Args:
        crops: ``(n, 4)`` of the panel, right where the person is seen.
        frames: ``(n,)`` of the source, ascending.
        hold: whether the last frame is held, rather than the shot shown as wide as fits.

    Raises:
        InputError: when there is no face of the person.
    """
    first, last = frames[start_end][[0, -1]]
    mine = np.flatnonzero(analysis.faces["person"].to_numpy() == person)
    if not len(mine):
        raise InputError(f"person {person} has no face in the analysis; choose another")
    known = analysis.faces["frame"].to_numpy()[mine]
    cuts = [shot.start_frame for shot in analysis.shots]
    here = np.flatnonzero(
        np.searchsorted(cuts, known, "right") == np.searchsorted(cuts, first, "right")
    )
    if len(here):
        nearest = here[np.argmin(np.maximum(first - known[here], known[here] - last))]
    elif hold:  # the last before, or else the first
        nearest = max(int(np.searchsorted(known, first)) - 1, 0)
    else:
        crops[start_end] = _widest((analysis.info.width, analysis.info.height), framing)
        return np.nan
    position = int(np.searchsorted(frames, known[nearest]))
    if position < len(frames) and frames[position] == known[nearest]:
        crops[start_end] = crops[position]
    else:
        crops[start_end] = _framed_alone(mine[nearest], analysis, framing)
    if len(here):
        return np.nan
    return float(analysis.frame_times[known[nearest] - analysis.first_frame])


def _widest(image: tuple[int, int], framing: Framing) -> Float64:
    """``(1, 4)`` the largest crop that fits, in the middle."""
    width, height = image
    whole = np.array([[width / 2, height / 2, height * float(framing.aspect), height]])
    return inside_frame(whole, image)


def _framed_alone(row: int, analysis: Analysis, framing: Framing) -> Float64:
    """``(1, 4)`` the crop of one row of the faces' table."""
    face = analysis.faces.take([row])
    return crop_path(
        np.zeros(1),
        np.zeros(1, np.intp),
        boxes_of(face).astype(np.float64),
        landmarks_of(face).astype(np.float64),
        (),
        (analysis.info.width, analysis.info.height),
        framing,
    )
