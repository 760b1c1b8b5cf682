"""Which of a track's faces is shown for the person: sharp, eyes open, nothing before it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32, Image
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_square import ALIGNED

SKIN = 0.75
"""Rank of the brightness around an eye, from the darkest pixel to the brightest, that is skin."""
BRIGHT = 0.9
"""Rank of the brightness of a face that its irises are compared with."""
IRIS, BESIDE = 7, 6
"""Columns of an iris in an aligned crop, and of the white and the skin beside it."""
PUPILS_COUNT, SIMILARITY_COUNTS = 4, 2
"""Powers of how dark the pupils are, and of the likeness. Of two speakers the darkest pixel of
closed eyes stood out 0.76 and 0.87 as much as that of open ones."""


def portrait(crops: Sequence[FaceCrop], mean: Float32) -> tuple[float, FaceCrop]:
    """The face of a track that is shown for it, and how good it is for that, 0 to 1.

    Beside its quality counts how open its eyes are, and how much it looks like the mean of all (a
    face behind a hand does less). Of the tracks of a person the best one is shown.

    Args:
        crops: embedded, one or more.
        mean: ``(dim,)`` of length one: the track's embedding.
    """
    embedded = [crop for crop in crops if crop.embedding is not None]
    pupils = [pupil_contrast(crop.aligned) for crop in embedded]
    darkest = max(max(pupils), 1e-6)
    rated = [
        (
            crop.quality
            * iris_contrast(crop.aligned)
            * (pupil / darkest) ** PUPILS_COUNT
            * max(float(crop.embedding @ mean), 0.0) ** SIMILARITY_COUNTS,
            crop,
        )
        for crop, pupil in zip(embedded, pupils, strict=True)
        if crop.embedding is not None
    ]
    return max(rated, key=lambda one: one[0])


def pupil_contrast(aligned: Image) -> float:
    """How much darker the darkest pixel around each eye is than the skin, 0 to 1; the mean of two.

    It tells a blink from the frames around it, but not one person's eyes from another's.

    ``aligned``: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    contrasts = []
    for around in _around_eyes(aligned, 8, 10):
        skin = int(np.sort(around, axis=None)[int(SKIN * around.size)])
        contrasts.append((skin - int(around.min())) / max(skin, 1))
    return float(np.mean(contrasts))


def iris_contrast(aligned: Image) -> float:
    """How much darker an iris is than what is on both sides of it, 0 to 1; the mean of two eyes.

    Lashes of closed eyes are dark too, but as dark to the left and to the right.

    ``aligned``: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    some = np.sort(aligned[::4, ::4].sum(axis=2, dtype=np.int32), axis=None)
    bright = max(int(some[int(BRIGHT * len(some))]), 1)
    return float(np.mean([_iris(around) for around in _around_eyes(aligned, 4, 14)])) / bright


def _around_eyes(aligned: Image, rows: int, columns: int) -> list[NDArray[np.int32]]:
    """Brightness (sums of the colours) so far around each eye."""
    return [
        aligned[y - rows : y + rows + 1, x - columns : x + columns + 1].sum(axis=2, dtype=np.int32)
        for x, y in ALIGNED[:2].round().astype(int).tolist()
    ]


def _iris(around: NDArray[np.int32]) -> float:
    """The most that a dark spot of an iris' size stands out from the brightest on both sides of it,
    in rows of three; of 9 rows and 29 columns around an eye."""
    rows = around[:-2] + around[1:-1] + around[2:]
    sums = np.concatenate([np.zeros((len(rows), 1), rows.dtype), rows.cumsum(axis=1)], axis=1)
    spots = (sums[:, IRIS:] - sums[:, :-IRIS])[:, BESIDE:-BESIDE]
    width = rows.shape[1] - BESIDE + 1
    sides = np.max([rows[:, i : i + width] for i in range(BESIDE)], axis=0)
    left, right = sides[:, : spots.shape[1]], sides[:, -spots.shape[1] :]
    most = float((np.minimum(left, right) - spots / IRIS).max())
    return max(most / 3, 0.0)
