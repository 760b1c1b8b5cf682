"""Chooses the face of a track that is shown for the person: sharp, eyes open, nothing in front."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32, Image
from facetrack.media.frame_image import stacked
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_square import ALIGNED

Float64 = NDArray[np.float64]
Brightness = NDArray[np.int32]

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
    aligned = stacked([crop.aligned for crop in embedded])
    pupils, irises = pupil_contrasts(aligned), iris_contrasts(aligned)
    open_eyes = (pupils / max(float(pupils.max()), 1e-6)) ** PUPIL_POWER
    rated = [
        (
            crop.quality
            * iris
            * is_open
            * max(float(crop.embedding @ mean), 0.0) ** SIMILARITY_POWER,
            crop,
        )
        for crop, iris, is_open in zip(embedded, irises.tolist(), open_eyes.tolist(), strict=True)
        if crop.embedding is not None
    ]
    return max(rated, key=lambda one: one[0])


def pupil_contrasts(aligned: Image) -> Float64:
    """``(n,)`` how much darker the darkest pixel around each eye is than the skin, 0 to 1; the mean
    of two eyes.

    It finds a blink among the frames around it; it cannot compare the eyes of two people.

    Args:
        aligned: ``(n, 112, 112, 3)`` uint8 RGB, aligned.
    """
    around = _around_eyes(aligned, 8, 10).reshape(len(aligned), 2, -1)
    around.sort(axis=-1)
    skin, darkest = around[..., int(SKIN * around.shape[-1])], around[..., 0]
    return np.asarray(((skin - darkest) / np.maximum(skin, 1)).mean(axis=1))


def iris_contrasts(aligned: Image) -> Float64:
    """``(n,)`` how much darker an iris is than both sides of it, 0 to 1; the mean of two eyes.

    The lashes of closed eyes are dark too, but they are as dark to the left and to the right.

    Args:
        aligned: ``(n, 112, 112, 3)`` uint8 RGB, aligned.
    """
    some = _brightness(aligned[:, ::4, ::4]).reshape(len(aligned), -1)
    some.sort(axis=-1)
    bright = np.maximum(some[:, int(BRIGHT * some.shape[1])], 1)
    return np.asarray(_irises(_around_eyes(aligned, 4, 14)).mean(axis=1) / bright)


def _around_eyes(aligned: Image, rows: int, columns: int) -> Brightness:
    """``(n, 2, height, width)`` around each eye, so many rows and columns on each side of its
    middle."""
    eyes = ALIGNED[:2].round().astype(int).tolist()
    cut = [aligned[:, y - rows : y + rows + 1, x - columns : x + columns + 1] for x, y in eyes]
    return _brightness(np.stack(cut, axis=1))


def _brightness(pixels: Image) -> Brightness:
    """``(..., 3)`` to ``(...)`` sums of the three colours.

    Channel by channel: NumPy's ``sum`` over an axis of three takes ten times as long.
    """
    sums = np.add(pixels[..., 0], pixels[..., 1], dtype=np.int32)
    sums += pixels[..., 2]
    return sums


def _irises(around: Brightness) -> Float64:
    """``(n, 2)`` largest contrast of a spot of an iris' width with the brightest columns on both
    sides of it.

    ``around``: ``(n, 2, 9, 29)`` around the eyes; three rows are summed at a time.
    """
    rows = around[..., :-2, :] + around[..., 1:-1, :] + around[..., 2:, :]
    sums = np.zeros((*rows.shape[:-1], rows.shape[-1] + 1), rows.dtype)
    rows.cumsum(axis=-1, out=sums[..., 1:])
    spots = (sums[..., IRIS:] - sums[..., :-IRIS])[..., BESIDE:-BESIDE]
    width = rows.shape[-1] - BESIDE + 1
    sides = reduce(np.maximum, [rows[..., i : i + width] for i in range(BESIDE)])
    left, right = sides[..., : spots.shape[-1]], sides[..., -spots.shape[-1] :]
    most = (np.minimum(left, right) - spots / IRIS).max(axis=(-2, -1))
    return np.asarray(np.maximum(most / 3, 0.0))
