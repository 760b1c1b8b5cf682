"""Which of a track's faces is shown for the person: sharp, eyes open, nothing before it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_square import ALIGNED
from facetrack.types import Float32, Image

SKIN = 0.75
"""Rank of the brightness around an eye, from the darkest pixel to the brightest, that is skin."""
IRIS, BESIDE = 7, 6
"""Columns of an iris in an aligned crop, and of the white and the skin beside it."""
PUPILS_COUNT, LIKENESS_COUNTS = 4, 2
"""Powers of how dark the pupils are, and of the likeness. Of two speakers the darkest pixel of
closed eyes stood out 0.76 and 0.87 as much as that of open ones."""


def portrait(crops: Sequence[FaceCrop], mean: Float32) -> tuple[float, FaceCrop]:
    """The face of a track that is shown for it, and how good it is for that, 0 to 1.

    Beside its quality counts how dark its pupils are (lids are not), and how much it looks like the
    mean of all (a face behind a hand does less). Of the tracks of a person the best one is shown.

    Args:
        crops: embedded, one or more.
        mean: ``(dim,)`` of length one: the track's embedding.
    """
    rated = [
        (
            crop.quality
            * open_eyes(crop.aligned)
            * max(float(crop.embedding @ mean), 0.0) ** LIKENESS_COUNTS,
            crop,
        )
        for crop in crops
        if crop.embedding is not None
    ]
    return max(rated, key=lambda one: one[0])


def open_eyes(aligned: Image) -> float:
    """How open the eyes look, 0 to 1: dark pupils, and irises darker than what is beside them.

    Lids are as bright as skin. Lashes of closed eyes are dark, but as dark to the left and right.

    ``aligned``: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    grey = aligned.sum(axis=2, dtype=np.int32)
    bright = max(float(np.sort(grey, axis=None)[int(0.9 * grey.size)]), 1.0)
    found = []
    for x, y in ALIGNED[:2].round().astype(int).tolist():
        around = grey[y - 8 : y + 9, x - 10 : x + 11]
        skin = np.sort(around, axis=None)[int(SKIN * around.size)]
        pupil = (skin - around.min()) / max(int(skin), 1)
        found.append(float(pupil) ** PUPILS_COUNT * _iris(grey[y - 4 : y + 5, x - 14 : x + 15]))
    return float(np.mean(found)) / bright


def _iris(around: NDArray[np.int32]) -> float:
    """The most that a dark spot of an iris' size stands out from the brightest on both sides of it,
    in rows of three; of 9 rows and 29 columns around an eye."""
    rows = np.lib.stride_tricks.sliding_window_view(around, 3, axis=0).mean(axis=2)
    spots = np.lib.stride_tricks.sliding_window_view(rows, IRIS, axis=1).mean(axis=2)[:, 6:-6]
    sides = np.lib.stride_tricks.sliding_window_view(rows, BESIDE, axis=1).max(axis=2)
    left, right = sides[:, : spots.shape[1]], sides[:, -spots.shape[1] :]
    return max(float((np.minimum(left, right) - spots).max()), 0.0)
