"""The planes of decoded frames in planar YUV: views of their memory, and what is done with them.

Needs NumPy and PyAV alone: the programs that write clips import nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

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
FULL_RANGE = 2


def planes(image: VideoFrame) -> tuple[Plane, Plane, Plane]:
    """Views of the memory of a frame in one of the ``PLANAR`` formats: Y, U and V."""
    wide = PLANAR[image.format.name][2] > 8
    y, u, v = (_plane(plane, np.dtype("<u2" if wide else np.uint8)) for plane in image.planes)
    return y, u, v


def is_full_range(image: VideoFrame) -> bool:
    """Whether its samples go from 0 to the most; else from 16 to 235 (of 8 bits)."""
    return image.color_range == FULL_RANGE or image.format.name.startswith("yuvj")


def darken(image: VideoFrame, full_range: bool, light: float = 0, colour: float = 0) -> None:
    """Leaves a share of the brightness and colour of a frame in one of the ``PLANAR`` formats."""
    unit = 1 << (PLANAR[image.format.name][2] - 8)
    luma, *chroma = planes(image)
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


def _plane(plane: VideoPlane, kind: np.dtype[Any]) -> Plane:
    samples: Plane = np.frombuffer(memoryview(plane), kind)
    rows = samples.reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height, : plane.width]
