"""Simulates on photographs what videos do to faces: small, blurred, moving, dark, compressed.

A calibration that is fitted to unchanged photographs trusts a blurred face too much. The strength
of each simulated effect is one that occurs in films.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import convolve, gaussian_filter

from facetrack.core.types import Image
from facetrack.media.images import open_image

Float32 = NDArray[np.float32]

LIGHT = 0.2
"""Share of the light that is left in a dark scene."""
GAMMA = 2.2
SHOT_NOISE, READ_NOISE = 4e-4, 2e-6
"""Variance of a sensor's noise: the part that grows with the light (which is 1 at white), and the
constant part."""


@dataclass(frozen=True)
class Condition:
    """How a face is filmed."""

    name: str
    face_px: float | None = None
    """Height of the face's box in pixels; None: as in the photograph."""
    blur: float = 0.0
    """Standard deviation of a Gaussian, as a share of the face's height."""
    motion: float = 0.0
    """Length of a straight movement during the exposure, as a share of the face's height."""
    dim: bool = False
    """True: a fifth of the light, with noise."""
    jpeg: int = 85
    """JPEG quality, as Pillow counts it."""


SWEEP = (
    Condition("as they are", jpeg=95),
    Condition("64 px", 64),
    Condition("48 px", 48),
    Condition("32 px", 32),
    Condition("24 px", 24),
    Condition("dim", dim=True),
)
"""Conditions with a row of their own in the report; the first changes nothing but the JPEG
quality."""


def random_condition(name: str, chance: np.random.Generator) -> Condition:
    """A random condition: any size, 3 of 10 out of focus, 2 of 10 moving, 2 of 10 dark."""
    return Condition(
        name,
        face_px=float(np.exp(chance.uniform(np.log(17), np.log(220)))),
        blur=chance.uniform(0.01, 0.07) if chance.random() < 0.3 else 0.0,
        motion=chance.uniform(0.03, 0.18) if chance.random() < 0.2 else 0.0,
        dim=bool(chance.random() < 0.18),
        jpeg=int(chance.integers(25, 90)),
    )


def degraded(
    photo: Image, face_px: float, condition: Condition, chance: np.random.Generator
) -> Image:
    """The photograph as filmed: ``(h, w, 3)`` uint8 RGB, never enlarged.

    Args:
        photo: ``(h, w, 3)`` uint8 RGB.
        face_px: height of the face's box in it.
        condition: how it is filmed; size, blur and movement vary randomly around it.
        chance: source of the noise and of this variation.
    """
    wanted = condition.face_px or face_px
    if condition.face_px is not None:
        wanted *= float(np.exp(chance.normal(0, 0.05)))
    scale = min(wanted / face_px, 1.0)
    small = _scaled(photo, scale, chance)
    height = face_px * scale
    if condition.blur:
        sigma = condition.blur * height * chance.uniform(0.5, 1.2)
        small = gaussian_filter(small, (sigma, sigma, 0), mode="nearest")
    moved = condition.motion * height * chance.uniform(0.3, 1.2)
    if moved > 1:
        path = _path(moved, chance.uniform(0, np.pi))[..., None]
        small = convolve(small, path, mode="nearest")
    if condition.dim:
        small = _dimmed(small, chance)
    return _compressed(np.clip(small + 0.5, 0, 255).astype(np.uint8), condition.jpeg)


def _scaled(photo: Image, scale: float, chance: np.random.Generator) -> Float32:
    if scale >= 1:
        return photo.astype(np.float32)
    image = Pillow.fromarray(photo)
    width, height = (max(8, round(side * scale)) for side in image.size)
    shift = chance.uniform(0, 0.5, 2) / scale  # the grid of pixels differs each time
    box = (float(shift[0]), float(shift[1]), float(image.size[0]), float(image.size[1]))
    small = image.resize((width, height), Pillow.Resampling.BOX, box=box)
    return np.asarray(small, np.float32)


def _path(length: float, angle: float) -> Float32:
    """Kernel of a straight movement."""
    side = max(3, int(np.ceil(length)) | 1)
    middle = side // 2
    along = np.linspace(-length / 2, length / 2, 8 * side)
    x = np.clip(np.rint(middle + along * np.cos(angle)), 0, side - 1).astype(int)
    y = np.clip(np.rint(middle + along * np.sin(angle)), 0, side - 1).astype(int)
    kernel = np.zeros((side, side), np.float32)
    np.add.at(kernel, (y, x), 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _dimmed(image: Float32, chance: np.random.Generator) -> Float32:
    light = LIGHT * (np.clip(image, 0, 255) / 255) ** GAMMA
    light += chance.normal(size=light.shape) * np.sqrt(SHOT_NOISE * light + READ_NOISE)
    return np.asarray(255 * np.clip(light, 0, 1) ** (1 / GAMMA), np.float32)


def _compressed(image: Image, quality: int) -> Image:
    stored = io.BytesIO()
    Pillow.fromarray(image).save(stored, "JPEG", quality=quality)
    return np.asarray(open_image(stored))
