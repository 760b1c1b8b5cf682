"""Makes dark face crops brighter and less noisy before they are embedded.

Measured on photographs and copies of them at a fifth of the light with noise (docs/identity.md):
InceptionResnetV1 needs the brightness; SFace hardly sees it but is led astray by the noise that
comes with it. Smoothing that grows with the gain serves both. Gamma instead of gain serves
neither: it lifts the noise of the darkest pixels most.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from facetrack.core.types import Image

DARK = 60.0
"""Mean brightness, 0 to 255, below which a crop is changed: 1 in 100 crops of photographs is so
dark, of people with dark skin too (1 in 70)."""
BRIGHT = 80.0
"""Mean brightness that a dark crop gets."""
SMOOTHING_PX = 0.5
"""Standard deviation of the Gaussian, in pixels of the crop, for each doubling of brightness."""
BLACK = 1.0
"""Mean brightness below which nothing more is gained: there is no face left."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue (ITU-R BT.601)."""


def brightness(crop: Image) -> float:
    """Mean luma of ``(height, width, 3)`` uint8 RGB, 0 to 255."""
    return float(crop.reshape(-1, 3).mean(axis=0, dtype=np.float64) @ LUMA)


def normalised_light(crop: Image) -> Image:
    """The crop at a usual brightness, its noise smoothed; itself where it is bright enough.

    Args:
        crop: ``(height, width, 3)`` uint8 RGB, aligned or box; the result has the same form.
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
