"""How good a face is for the recogniser: size, sharpness, and how far it looks at the camera."""

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

Float64 = NDArray[np.float64]

SHARP = 60.0
"""Laplacian variance of a box crop from which it counts as fully sharp (judged by eye)."""
LARGE_PX = 120.0
"""Face height from which more pixels add nothing to the embedding."""


def frontality(landmarks: Float32) -> Float64:
    """``(n,)``: 1 when the nose stands midway between the eyes, 0 in full profile.

    ``landmarks``: ``(n, 5, 2)`` left eye, right eye, nose, left and right mouth corner.
    """
    left = landmarks[:, 0]
    across = landmarks[:, 1] - left
    span = np.vecdot(across, across).astype(np.float64)
    # Where the eyes lie on each other the face is seen from the side.
    along = np.vecdot(landmarks[:, 2] - left, across) / np.maximum(span, 1.0)
    return np.where(span < 1.0, 0.0, np.maximum(1.0 - 2.0 * np.abs(along - 0.5), 0.0))


def head_turns(landmarks: Float32) -> Float64:
    """``(n, 2)`` how far heads are turned aside and up or down, in distances between the eyes and
    from eyes to mouth; 0 and about 0.5 when they look at the camera.

    ``landmarks``: ``(n, 5, 2)`` left eye, right eye, nose, left and right mouth corner.
    """
    points = landmarks.astype(np.float64)
    middle = (points[:, 0] + points[:, 1]) / 2
    across, nose = points[:, 1] - points[:, 0], points[:, 2] - middle
    down = (points[:, 3] + points[:, 4]) / 2 - middle
    aside = np.vecdot(nose, across) / np.maximum(np.vecdot(across, across), 1.0)
    below = np.vecdot(nose, down) / np.maximum(np.vecdot(down, down), 1.0)
    return np.asarray(np.clip(np.stack([aside, below], axis=1), -1.5, 1.5), np.float64)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """0 to 1, from the variance of the Laplacian of a box crop's brightness.

    A measure of focus by Pech-Pacheco et al. (ICPR 2000).

    Args:
        crop: ``(160, 160, 3)`` uint8 RGB.
    """
    red, green, blue = (crop[..., i].astype(np.float32) for i in range(3))
    grey = (red + green + blue) / np.float32(3)
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    return min(1.0, float(laplacian.var()) / SHARP)


def pose_quality(boxes: Float32, landmarks: Float32, scores: Float32) -> Float64:
    """``(n,)`` 0 to 1 from size, frontality and score: all that is known before crops are made.

    The arguments are arrays of ``Faces``.
    """
    heights = boxes[:, 3] - boxes[:, 1]
    sizes = np.minimum(heights.astype(np.float64) / LARGE_PX, 1.0)
    return np.asarray(sizes * (0.25 + 0.75 * frontality(landmarks)) * scores)


def crop_quality(pose: float, sharp: float) -> float:
    """0 to 1 from ``pose_quality`` and ``sharpness``; never above ``pose``."""
    return pose * (0.5 + 0.5 * sharp)
