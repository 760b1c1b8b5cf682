"""The planes of a decoded picture as they stand upright, at the depth they were decoded in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from facetrack.types import Image

Plane = NDArray[np.uint8] | NDArray[np.uint16]

PLANAR = {
    name + suffix: (across, down, bits)
    for digits, across, down in (("420", 2, 2), ("422", 2, 1), ("444", 1, 1))
    for name, suffix, bits in (
        (f"yuv{digits}p", "", 8),
        (f"yuvj{digits}p", "", 8),
        (f"yuv{digits}p10", "le", 10),
        (f"yuv{digits}p12", "le", 12),
    )
}
"""Pixel format -> luma samples for one of chroma, across and down, and bits a sample."""


@dataclass(frozen=True)
class Upright:
    """Y, U and V of an upright picture."""

    planes: tuple[Plane, Plane, Plane]
    across: int
    """Luma samples for one of chroma, from left to right."""
    down: int
    bits: int
    _picture: VideoFrame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.planes[0].shape[1], self.planes[0].shape[0]

    @classmethod
    def of(cls, picture: VideoFrame, matrix: int) -> "Upright":
        """Views of the picture's memory where its format is planar.

        ``matrix`` (1: BT.709, 5: BT.601) is used where the picture is RGB.
        """
        turns = (picture.rotation % 360) // 90
        if picture.format.name not in PLANAR:
            if picture.format.is_rgb:
                picture = picture.reformat(
                    format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG"
                )
            else:
                picture = picture.reformat(format="yuv420p")
        across, down, bits = PLANAR[picture.format.name]
        if turns % 2:
            across, down = down, across
        y, u, v = planes(picture)
        if turns:
            y, u, v = np.rot90(y, turns), np.rot90(u, turns), np.rot90(v, turns)
        return cls((y, u, v), across, down, bits, picture)

    def rgb(self) -> Image:
        """``(height, width, 3)`` uint8."""
        image = self._picture.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(image, self._picture.rotation % 360 // 90))


def darken(picture: VideoFrame, full_range: bool, light: float = 0, colour: float = 0) -> None:
    """Leaves a share of the brightness and colour of a frame in one of the ``PLANAR`` formats."""
    unit = 1 << (PLANAR[picture.format.name][2] - 8)
    luma, *chroma = planes(picture)
    for plane, share, none in (
        (luma, light, 0 if full_range else 16 * unit),
        *((plane, colour, 128 * unit) for plane in chroma),
    ):
        np.rint(none + share * (plane - np.float32(none)), out=plane, casting="unsafe")


def paste(
    sources: Sequence[Plane],
    part: tuple[int, ...],
    targets: Sequence[Plane],
    at: tuple[int, ...],
    across_down: tuple[int, int],
) -> None:
    """Copies a part of Y, U and V (x, y, width and height) to where others are (x and y).

    All in luma samples, whole ones of chroma; ``across_down`` are those for one of chroma.
    """
    for source, target, (across, down) in zip(
        sources, targets, ((1, 1), across_down, across_down), strict=True
    ):
        width, height = part[2] // across, part[3] // down
        left, top, x, y = part[0] // across, part[1] // down, at[0] // across, at[1] // down
        target[y : y + height, x : x + width] = source[top : top + height, left : left + width]


def planes(picture: VideoFrame) -> tuple[Plane, ...]:
    """Views of the memory of a frame in one of the ``PLANAR`` formats."""
    wide = PLANAR[picture.format.name][2] > 8
    return tuple(_plane(plane, np.dtype("<u2" if wide else np.uint8)) for plane in picture.planes)


def _plane(plane: VideoPlane, kind: np.dtype[Any]) -> Plane:
    samples: Plane = np.frombuffer(memoryview(plane), kind)
    rows = samples.reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height, : plane.width]
