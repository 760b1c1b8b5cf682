"""What a panel shows in a shot in which its person is never seen.

Its framing would be of a place in another shot: an empty spot, or somebody else. Beside other
people the last picture of theirs is held; alone in the picture, the shot is shown as wide as fits.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.analysis import Analysis, boxes_of, landmarks_of
from facetrack.clips.crop_path import crop_path, inside_picture
from facetrack.clips.framing import Framing
from facetrack.errors import InputError

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
    stretches = zip(pairwise(edges), seen, strict=True)
    return [(a, b, int(people[a])) for (a, b), there in stretches if not there]


def fill_absence(
    crops: Float64,
    frames: NDArray[np.int32],
    person: int,
    analysis: Analysis,
    framing: Framing,
    hold: bool,
    stretch: slice,
) -> float:
    """Sets ``crops[stretch]``; the time of the frame that is held there, NaN: none is.

    Someone who is seen elsewhere in the same shot is waited for where they were, or will be.

    Args:
        crops: ``(n, 4)`` of the panel, right where the person is seen.
        frames: ``(n,)`` of the source, ascending.
        hold: whether the last picture is held, rather than the shot shown as wide as fits.

    Raises:
        InputError: when there is no face of the person.
    """
    first, last = frames[stretch][[0, -1]]
    mine = np.flatnonzero(analysis.faces["person"].to_numpy() == person)
    known = analysis.faces["frame"].to_numpy()[mine]
    if not len(mine):
        raise InputError(f"person {person} has no face in the analysis; choose another")
    cuts = [shot.start_frame for shot in analysis.shots]
    here = np.searchsorted(cuts, known, "right") == np.searchsorted(cuts, first, "right")
    picture = (analysis.info.width, analysis.info.height)
    if not here.any() and not hold:
        width, height = picture
        whole = np.array([[width / 2, height / 2, height * float(framing.aspect), height]])
        crops[stretch] = inside_picture(whole, picture)
        return np.nan
    if here.any():
        away = np.where(here, np.maximum(first - known, known - last), np.iinfo(np.int32).max)
        row = int(np.argmin(away))
    else:
        row = max(int(np.searchsorted(known, first)) - 1, 0)
    frame = known[row]
    time_s = float(analysis.frame_times[frame - analysis.first_frame])
    position = int(np.searchsorted(frames, frame))
    if position < len(frames) and frames[position] == frame:
        crops[stretch] = crops[position]
    else:
        face = analysis.faces.take([mine[row]])
        crops[stretch] = crop_path(
            np.array([time_s]),
            np.array([0]),
            boxes_of(face).astype(np.float64),
            landmarks_of(face).astype(np.float64),
            (),
            picture,
            framing,
        )
    return np.nan if here.any() else time_s
