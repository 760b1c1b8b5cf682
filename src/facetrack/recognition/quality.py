"""How good a face crop is for the embedder, and what is done for a dark one.

Quality is size, sharpness, and how far the face looks at the camera. A dark crop is made brighter
and less noisy before it is embedded. Measured on photographs and on copies of them at a fifth of
the light with noise (docs/identity.md): InceptionResnetV1 needs the brightness; SFace hardly needs
it but is misled by the noise that comes with it. Smoothing that grows with the gain serves both. A
gamma curve instead of a gain serves neither: it raises the noise of the darkest pixels most.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from facetrack.core.types import Float32, Image

Float64 = NDArray[np.float64]

SHARP = 60.0
"""Laplacian variance of a box crop from which it counts as fully sharp (judged by eye)."""
LARGE_PX = 120.0
"""Face height from which more pixels add nothing to the embedding."""

DARK = 60.0
"""Mean brightness, 0 to 255, below which a crop is brightened: 1 in 100 crops of photographs is so
dark, and 1 in 70 of people with dark skin."""
BRIGHT = 80.0
"""Mean brightness that a dark crop gets."""
SMOOTHING_PX = 0.5
"""Standard deviation of the Gaussian, in pixels of the crop, for each doubling of brightness."""
BLACK = 1.0
"""Mean brightness below which the gain grows no more: there is no face left."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue (ITU-R BT.601)."""


def frontality(landmarks: Float32) -> Float64:
    """``(n,)``: 1 when the nose is midway between the eyes, 0 in full profile.

    Args:
        landmarks: ``(n, 5, 2)`` x y in pixels: left eye, right eye, nose, mouth corners.
    """
    left = landmarks[:, 0]
    across = landmarks[:, 1] - left
    span = np.vecdot(across, across).astype(np.float64)
    # Where both eyes are at one place, the face is seen from the side.
    along = np.vecdot(landmarks[:, 2] - left, across) / np.maximum(span, 1.0)
    return np.where(span < 1.0, 0.0, np.maximum(1.0 - 2.0 * np.abs(along - 0.5), 0.0))


def head_turns(landmarks: Float32) -> Float64:
    """``(n, 2)``: how far heads are turned sideways, and up or down.

    The first is in distances between the eyes, the second in distances from eyes to mouth. They are
    0 and about 0.5 when the head looks at the camera.

    Args:
        landmarks: ``(n, 5, 2)`` x y in pixels: left eye, right eye, nose, mouth corners.
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
    """``(n,)`` 0 to 1, from size, frontality and score: what is known before crops are made.

    Args:
        boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(n, 5, 2)`` x y in pixels.
        scores: ``(n,)`` the detector's, 0 to 1.
    """
    heights = boxes[:, 3] - boxes[:, 1]
    sizes = np.minimum(heights.astype(np.float64) / LARGE_PX, 1.0)
    return np.asarray(sizes * (0.25 + 0.75 * frontality(landmarks)) * scores)


def crop_quality(pose: float, sharp: float) -> float:
    """0 to 1 from ``pose_quality`` and ``sharpness``; never above ``pose``."""
    return pose * (0.5 + 0.5 * sharp)


def brightness(crop: Image) -> float:
    """Mean luma of ``(height, width, 3)`` uint8 RGB, 0 to 255."""
    return float(crop.reshape(-1, 3).mean(axis=0, dtype=np.float64) @ LUMA)


def normalised_light(crop: Image) -> Image:
    """A dark crop at a usual brightness and with less noise; a bright one is returned unchanged.

    Args:
        crop: ``(height, width, 3)`` uint8 RGB, aligned or box. The result has the same shape.
    """
    mean = brightness(crop)
    if mean >= DARK:
        return crop
    gain = BRIGHT / max(mean, BLACK)
    sigma = SMOOTHING_PX * float(np.log2(gain))
    smooth: NDArray[np.float32] = gaussian_filter(
        crop.astype(np.float32), (sigma, sigma, 0), mode="nearest"
    )
    return np.asarray(np.clip(smooth * gain + 0.5, 0, 255), np.uint8)
