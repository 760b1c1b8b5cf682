"""How a camera operator would frame a face: how large it is, and where the eyes are.

Says what is wanted of one frame alone; ``crop_path`` makes a calm path of it. A framing is counted
in face heights, a face being the detector's box: from the middle of the forehead to the chin. The
top of the hair is about 0.7 face heights above the eyes, the chin 0.6 below them.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from facetrack.core.errors import UsageError

Float64 = NDArray[np.float64]

ZOOMS = {"face": (1.6, 1.35), "head": (2.2, 1.75), "bust": (3.6, 2.4)}
"""Least height and width of the crop in face heights: the face with its hair; head and neck with
air above; down to the chest. A narrow crop is taller than this, to be as wide."""
EYE_LINE = ((0.5, 0.27), (1.0, 0.385), (1.6, 0.42), (2.2, 0.40), (3.6, 0.33))
"""Share of the crop's height above the eyes, by its height in face heights: the wider the view, the
nearer to the upper third; where not even the face fits, its middle is in the middle."""
EYES_IN_BOX = 0.385
"""Share of a face's box above the eyes (median of the measured clips), for a face without
landmarks that can be believed."""


@dataclass(frozen=True)
class Framing:
    """What a panel shows of its person."""

    aspect: Fraction
    """Width to height."""
    zoom: str = "head"
    """``face``, ``head`` or ``bust``."""
    adaptive: bool = False
    """Whether the crop grows and shrinks with the face; false: one size a shot."""

    def __post_init__(self) -> None:
        if self.zoom not in ZOOMS:
            raise UsageError(f"zoom is {self.zoom!r}; it must be {', '.join(ZOOMS)}")
        if self.aspect <= 0:
            raise UsageError(f"aspect is {self.aspect}; it must be more than 0")

    def height(self, face: Float64, image: tuple[int, int]) -> Float64:
        """Height of the crop in pixels, for faces this tall; less where the frame is smaller."""
        tall, wide = ZOOMS[self.zoom]
        wanted = face * max(tall, wide / float(self.aspect))
        return np.asarray(np.minimum(wanted, min(image[1], image[0] / float(self.aspect))))


def anchors(boxes: Float64, landmarks: Float64) -> Float64:
    """What a crop is hung on: ``(k, 3)`` the face's middle x, the eyes' y, and the face's height.

    The middle is half the box's and half the landmarks': with the landmarks alone, the back of a
    turned head is cut off; with the box alone, a turned face has no room to look into. The height
    is the box's: it was found steadier than any distance between landmarks, which a talking mouth
    and a turning head change.

    Args:
        boxes: ``(k, 4)`` x1 y1 x2 y2 in pixels.
        landmarks: ``(k, 5, 2)``; not believed where the eyes lie outside the box.
    """
    left, top, right, bottom = boxes.T
    height = bottom - top
    eyes_x, eyes_y = landmarks[:, :2].mean(axis=1).T
    believed = (eyes_x > left) & (eyes_x < right) & (eyes_y > top) & (eyes_y < bottom)
    middle = (left + right) / 2
    middle = np.where(believed, (middle + landmarks[:, :, 0].mean(axis=1)) / 2, middle)
    eyes = np.where(believed, eyes_y, top + EYES_IN_BOX * height)
    return np.stack([middle, eyes, height], axis=1)


def centre_below_eyes(crop_height: Float64, face: Float64) -> Float64:
    """How far the crop's middle lies below the eyes, in pixels."""
    tall, share = zip(*EYE_LINE, strict=True)
    return np.asarray((0.5 - np.interp(crop_height / face, tall, share)) * crop_height)
