"""Chooses the face of a track that is shown for the person: sharp, eyes open, nothing in front."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32, Image
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_square import ALIGNED

SKIN = 0.75
"""Quantile of the brightness around an eye that is taken for the skin's."""
BRIGHT = 0.9
"""Quantile of a face's brightness that the contrast of the irises is divided by."""
IRIS, BESIDE = 7, 6
"""Columns of an iris in an aligned crop, and of the white and the skin on either side of it."""
PUPIL_POWER, SIMILARITY_POWER = 4, 2
"""Powers with which the darkness of the pupils and the similarity with the track count. Of two
speakers the contrast of the darkest pixel of closed eyes was 0.76 and 0.87 of that of open ones."""


def portrait(crops: Sequence[FaceCrop], mean: Float32) -> tuple[float, FaceCrop]:
    """The face that is shown for a track, and how good it is for that, 0 to 1.

    What counts is the quality, how open the eyes are, and how similar the face is to the mean of
    all (a face behind a hand is less so). Of the tracks of a person the best face is shown.

    Args:
        crops: one or more, with their embeddings.
        mean: ``(dim,)`` of length one: the track's embedding.
    """
    embedded = [crop for crop in crops if crop.embedding is not None]
    pupils = [pupil_contrast(crop.aligned) for crop in embedded]
    darkest = max(max(pupils), 1e-6)
    rated = [
        (
            crop.quality
            * iris_contrast(crop.aligned)
            * (pupil / darkest) ** PUPIL_POWER
            * max(float(crop.embedding @ mean), 0.0) ** SIMILARITY_POWER,
            crop,
        )
        for crop, pupil in zip(embedded, pupils, strict=True)
        if crop.embedding is not None
    ]
    return max(rated, key=lambda one: one[0])


def pupil_contrast(aligned: Image) -> float:
    """How much darker the darkest pixel around each eye is than the skin, 0 to 1; the mean of two.

    It finds a blink among the frames around it; it cannot compare the eyes of two people.

    Args:
        aligned: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    contrasts = []
    for around in _around_eyes(aligned, 8, 10):
        skin = int(np.sort(around, axis=None)[int(SKIN * around.size)])
        contrasts.append((skin - int(around.min())) / max(skin, 1))
    return float(np.mean(contrasts))


def iris_contrast(aligned: Image) -> float:
    """How much darker an iris is than both sides of it, 0 to 1; the mean of two eyes.

    The lashes of closed eyes are dark too, but they are as dark to the left and to the right.

    Args:
        aligned: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    some = np.sort(aligned[::4, ::4].sum(axis=2, dtype=np.int32), axis=None)
    bright = max(int(some[int(BRIGHT * len(some))]), 1)
    return float(np.mean([_iris(around) for around in _around_eyes(aligned, 4, 14)])) / bright


def _around_eyes(aligned: Image, rows: int, columns: int) -> list[NDArray[np.int32]]:
    """Brightness (sums of the three colours) around each eye, so many rows and columns on each
    side of its middle."""
    return [
        aligned[y - rows : y + rows + 1, x - columns : x + columns + 1].sum(axis=2, dtype=np.int32)
        for x, y in ALIGNED[:2].round().astype(int).tolist()
    ]


def _iris(around: NDArray[np.int32]) -> float:
    """Largest contrast of a spot of an iris' width with the brightest columns on both sides of it.

    ``around``: 9 rows and 29 columns around an eye; three rows are summed at a time.
    """
    rows = around[:-2] + around[1:-1] + around[2:]
    sums = np.concatenate([np.zeros((len(rows), 1), rows.dtype), rows.cumsum(axis=1)], axis=1)
    spots = (sums[:, IRIS:] - sums[:, :-IRIS])[:, BESIDE:-BESIDE]
    width = rows.shape[1] - BESIDE + 1
    sides = np.max([rows[:, i : i + width] for i in range(BESIDE)], axis=0)
    left, right = sides[:, : spots.shape[1]], sides[:, -spots.shape[1] :]
    most = float((np.minimum(left, right) - spots / IRIS).max())
    return max(most / 3, 0.0)
