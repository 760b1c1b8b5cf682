"""The framing of one face in one frame: how large the crop is, and where the eyes are in it.

``crop_path`` makes a smooth path of these wishes. Lengths are in face heights. A face is the
detector's box, from the middle of the forehead to the chin: the top of the hair is about 0.7 face
heights above the eyes, the chin 0.6 below them.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from facetrack.core.errors import UsageError
from facetrack.core.types import SQUARE

Float64 = NDArray[np.float64]

ZOOMS = {"face": (1.6, 1.35), "head": (2.2, 1.75), "bust": (3.6, 2.4)}
"""Smallest height and width of the crop in face heights: the face with its hair; head and neck with
space above; down to the chest. A narrow crop is made taller until the width is reached."""
EYE_LINE = ((0.5, 0.27), (1.0, 0.385), (1.6, 0.42), (2.2, 0.40), (3.6, 0.33))
"""Crop's height in face heights -> share of the crop above the eyes. The larger the crop, the
nearer the eyes are to its upper third; in a crop smaller than the face, the face is centred."""
EYES_IN_BOX = 0.385
"""Share of a face's box above the eyes (median of the measured clips), used for a face without
plausible landmarks."""


@dataclass(frozen=True)
class Framing:
    """How close a panel shows its person, and in which aspect."""

    aspect: Fraction
    """Width / height of the panel."""
    zoom: str = "head"
    """``face``, ``head`` or ``bust``."""
    adaptive: bool = False
    """Whether the crop's size follows the face's; false: one size for each shot."""
    pixel_aspect: Fraction = SQUARE
    """Width / height of a pixel of the video; the panel's are square."""

    def __post_init__(self) -> None:
        if self.zoom not in ZOOMS:
            raise UsageError(f"zoom is {self.zoom!r}; it must be {', '.join(ZOOMS)}")
        if self.aspect <= 0:
            raise UsageError(f"aspect is {self.aspect}; it must be more than 0")

    @property
    def crop_aspect(self) -> float:
        """Width / height of a crop in pixels of the video."""
        return float(self.aspect / self.pixel_aspect)

    def height(self, face: Float64, image: tuple[int, int]) -> Float64:
        """Heights of the crops in pixels, limited by the frame.

        Args:
            face: heights of the faces in pixels.
            image: width and height of the frame in pixels.
        """
        tall, wide = ZOOMS[self.zoom]
        wanted = face * max(tall, wide / float(self.aspect))
        return np.asarray(np.minimum(wanted, min(image[1], image[0] / self.crop_aspect)))


def anchors(boxes: Float64, landmarks: Float64) -> Float64:
    """What places a crop: ``(k, 3)`` the face's middle x, the eyes' y and the face's height.

    The middle is the mean of the box's and the landmarks'. With the landmarks alone, the back of a
    turned head would be cut off; with the box alone, a turned face would have no room to look
    into. The height is the box's, which was measured to be steadier than the distances between
    landmarks: a talking mouth and a turning head change those.

    Args:
        boxes: ``(k, 4)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(k, 5, 2)`` in pixels; ignored where the eyes lie outside the box.
    """
    left, top, right, bottom = boxes.T
    height = bottom - top
    eyes_x, eyes_y = landmarks[:, :2].mean(axis=1).T
    plausible = (eyes_x > left) & (eyes_x < right) & (eyes_y > top) & (eyes_y < bottom)
    middle = (left + right) / 2
    middle = np.where(plausible, (middle + landmarks[:, :, 0].mean(axis=1)) / 2, middle)
    eyes = np.where(plausible, eyes_y, top + EYES_IN_BOX * height)
    return np.stack([middle, eyes, height], axis=1)


def centre_below_eyes(crop_height: Float64, face: Float64) -> Float64:
    """Distance in pixels by which the crop's centre lies below the eyes."""
    tall, share = zip(*EYE_LINE, strict=True)
    return np.asarray((0.5 - np.interp(crop_height / face, tall, share)) * crop_height)
