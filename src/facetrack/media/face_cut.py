"""Squares cut out of a frame, which can be kept after the frame is released.

A face cut gives two crops: the *box crop* is a rectangle stretched to a square; the *aligned crop*
is a turned and scaled square, so that given points come to lie at fixed places of it.
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, floor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from facetrack.core.types import Image

Placement = NDArray[np.float64]
"""``(2, 3)`` matrix from (x, y, 1) in pixels of a square to (x, y) in pixels of the frame."""

BOX_CROP_SIZE = 160
"""Side of a box crop in pixels."""


class FaceCut(Protocol):
    """A face of a frame that may be released already; cheap until a crop is asked for."""

    def box_crop(self) -> Image:
        """``(160, 160, 3)`` uint8 RGB, the box stretched to a square."""
        ...

    def aligned_crop(self) -> Image:
        """``(size, size, 3)`` uint8 RGB, turned and scaled by the placement; black outside the
        frame."""
        ...

    def prepare_with(self, others: "Sequence[FaceCut]") -> None:
        """Makes the crops of this cut and of others together, where that is faster; they are about
        to be asked for. ``others`` come from the same source."""
        ...


class Cut(Protocol):
    """A copy of a part of a frame; cheap until its RGB is asked for."""

    def rgb(self) -> Image:
        """``(height, width, 3)`` uint8 RGB."""
        ...


class HostFaceCut:
    """A face in a part of a frame in the host's memory; implements ``FaceCut``."""

    def __init__(
        self,
        part: Cut,
        origin: tuple[int, int],
        corners: tuple[int, int, int, int],
        placement: Placement,
        size: int,
    ) -> None:
        """Keeps the part; makes the crops when they are asked for.

        Args:
            part: a copy of a part of the frame.
            origin: x y of the part's upper left pixel in the frame.
            corners: x1 y1 x2 y2 of the box crop in pixels of the frame.
            placement: of the aligned crop.
            size: side of the aligned crop in pixels.
        """
        self._part = part
        self._origin = origin
        self._corners = corners
        self._placement = placement
        self._size = size

    def box_crop(self) -> Image:
        x1, y1, x2, y2 = self._corners
        x, y = self._origin
        return stretched(self._part.rgb()[y1 - y : y2 - y, x1 - x : x2 - x])

    def aligned_crop(self) -> Image:
        return placed(self._part.rgb(), self._origin, self._placement, self._size)

    def prepare_with(self, others: Sequence[FaceCut]) -> None:
        """Does nothing: each crop is made for itself."""


def stretched(image: Image) -> Image:
    """``(160, 160, 3)`` uint8 RGB: the image stretched by Pillow's bilinear filter."""
    crop = Pillow.fromarray(np.ascontiguousarray(image))
    side = BOX_CROP_SIZE
    return np.asarray(crop.resize((side, side), Pillow.Resampling.BILINEAR))


def extent(placement: Placement, size: int, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 of the part of a frame that a placed square is made of; one pixel at least.

    Args:
        size: side of the square in pixels.
        shape: height and width of the frame in pixels.
    """
    x, y = (placement @ _square_corners(size)).tolist()
    # Of so few numbers NumPy's ``clip``, ``min`` and ``floor`` take five times as long.
    (x1, x2), (y1, y2) = _pixels(x, shape[1]), _pixels(y, shape[0])
    return x1, y1, x2, y2


def _pixels(corners: list[float], edge: int) -> tuple[int, int]:
    """First pixel and end of what holds the corners, in a frame that ends at ``edge``."""
    first = min(max(floor(min(corners)) - 1, 0), edge - 1)
    return first, min(max(ceil(max(corners)) + 1, first + 1), edge)


@cache
def _square_corners(size: int) -> NDArray[np.float64]:
    """``(3, 4)`` x y 1 of each, in one column."""
    return np.array([(0, size, 0, size), (0, 0, size, size), (1, 1, 1, 1)], np.float64)


def placed(part: Image, origin: tuple[int, int], placement: Placement, size: int) -> Image:
    """The square ``(size, size, 3)`` uint8 RGB at a placement.

    Where the square is smaller than what it shows, each pixel is a mean of several samples.

    Args:
        part: ``(height, width, 3)`` uint8 RGB, the part of the frame that ``extent`` gives.
        origin: x y of the part's upper left pixel in the frame.
    """
    taps = max(1, ceil(np.hypot(*placement[:, 0]) - 1e-6))
    inner = np.concatenate(
        [placement[:, :2] / taps, placement[:, 2:] - np.array(origin)[:, None]], axis=1
    )
    large = Pillow.fromarray(np.ascontiguousarray(part)).transform(
        (size * taps, size * taps),
        Pillow.Transform.AFFINE,
        inner.flatten().tolist(),
        Pillow.Resampling.BILINEAR,
    )
    return np.asarray(large.reduce(taps))
