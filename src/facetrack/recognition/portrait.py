"""Which of a track's faces is shown for the person: sharp, eyes open, nothing before it."""

from collections.abc import Sequence

import numpy as np

from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_square import ALIGNED
from facetrack.types import Float32, Image

EYE_REACH = (8, 10)
"""Rows and columns around an eye's landmark, in an aligned crop of 112 pixels, that it takes up."""
SKIN = 75.0
"""Percentile of the brightness around an eye that is skin."""
EYES_COUNT, LIKENESS_COUNTS = 4, 2
"""Powers of the two shares below. Of two speakers the contrast of closed eyes was 0.76 and 0.87 of
that of open ones, which makes a third and a half of a portrait's quality."""


def portrait_qualities(crops: Sequence[FaceCrop], mean: Float32) -> list[float]:
    """Of each of a track's faces, 0 to 1.

    Beside its quality counts how dark its pupils are beside those of the others (lids are not), and
    how much it looks like the mean of all (a face behind a hand does less).

    Args:
        crops: embedded.
        mean: ``(dim,)`` of length one: the track's embedding.
    """
    eyes = [eye_contrast(crop.aligned) for crop in crops]
    widest = max(max(eyes), 1e-6)
    return [
        crop.quality
        * (contrast / widest) ** EYES_COUNT
        * max(float(crop.embedding @ mean), 0.0) ** LIKENESS_COUNTS
        for crop, contrast in zip(crops, eyes, strict=True)
        if crop.embedding is not None
    ]


def eye_contrast(aligned: Image) -> float:
    """How much darker the darkest pixel around each eye is than the skin, 0 to 1; the mean of two.

    ``aligned``: ``(112, 112, 3)`` uint8 RGB, aligned.
    """
    rows, columns = EYE_REACH
    contrasts = []
    for x, y in ALIGNED[:2].round().astype(int).tolist():
        around = aligned[y - rows : y + rows + 1, x - columns : x + columns + 1]
        grey = around.astype(np.float32).mean(axis=2)
        skin = float(np.percentile(grey, SKIN))
        contrasts.append((skin - float(grey.min())) / max(skin, 1.0))
    return float(np.mean(contrasts))
