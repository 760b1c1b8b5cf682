"""The planes of decoded frames in planar YUV: views of their memory, and work done on them.

Needs NumPy and PyAV alone, because the worker processes that write clips import nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from facetrack.core.types import Image

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
"""Pixel format -> luma samples for one chroma sample, across and down, and bits of a sample."""
FULL_RANGE = 2
"""libav's number of the colour range in which samples go from 0 to the largest value."""


@dataclass(frozen=True)
class UprightPlanes:
    """Y, U and V of a decoded frame, turned as the file says, at the depth they were decoded in."""

    planes: tuple[Plane, Plane, Plane]
    across: int
    """Luma samples for one chroma sample, from left to right."""
    down: int
    """The same, from top to bottom."""
    bits: int
    """Of a sample."""
    _frame: VideoFrame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.planes[0].shape[1], self.planes[0].shape[0]

    @classmethod
    def of(cls, frame: VideoFrame, matrix: int) -> "UprightPlanes":
        """Views of the frame's memory where its format is one of ``PLANAR``; else a conversion.

        Args:
            matrix: with which RGB frames become YUV, as in H.273 (1: BT.709, 5: BT.601).
        """
        turns = (frame.rotation % 360) // 90
        if frame.format.name not in PLANAR:
            if frame.format.is_rgb:
                frame = frame.reformat(
                    format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG"
                )
            else:
                frame = frame.reformat(format="yuv420p")
        across, down, bits = PLANAR[frame.format.name]
        if turns % 2:
            across, down = down, across
        y, u, v = planes(frame)
        if turns:
            y, u, v = np.rot90(y, turns), np.rot90(u, turns), np.rot90(v, turns)
        return cls((y, u, v), across, down, bits, frame)

    def rgb(self) -> Image:
        """``(height, width, 3)`` uint8 RGB."""
        image = self._frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(image, self._frame.rotation % 360 // 90))


def planes(frame: VideoFrame) -> tuple[Plane, Plane, Plane]:
    """Views of the memory of a frame in one of the ``PLANAR`` formats: Y, U and V."""
    wide = PLANAR[frame.format.name][2] > 8
    y, u, v = (_plane(plane, np.dtype("<u2" if wide else np.uint8)) for plane in frame.planes)
    return y, u, v


def fill_padding(frame: VideoFrame) -> None:
    """Sets the bytes between the end of each row and the next row to zero, in place.

    libav leaves there what was in memory. Encoders read whole vectors, also over the end of a row,
    so that what they write could depend on it: x264 reads chroma whose rows are no multiple of 16
    samples, as of frames 240, 360 and 720 wide.

    Args:
        frame: in one of the ``PLANAR`` formats.
    """
    wide = 2 if PLANAR[frame.format.name][2] > 8 else 1
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[:, plane.width * wide :] = 0


def is_full_range(frame: VideoFrame) -> bool:
    """Whether samples go from 0 to the largest value; else luma goes from 16 to 235 of 8 bits."""
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def darken(frame: VideoFrame, full_range: bool, light: float = 0, colour: float = 0) -> None:
    """Leaves a share of the brightness and of the colour of a frame, in place.

    Args:
        frame: in one of the ``PLANAR`` formats.
        light: share of the luma that is left, 0 (black) to 1.
        colour: share of the chroma that is left, 0 (grey) to 1.
    """
    unit = 1 << (PLANAR[frame.format.name][2] - 8)
    luma, *chroma = planes(frame)
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
    """Copies a part of Y, U and V into other planes of the same subsampling.

    Args:
        part: x, y, width and height in the sources.
        at: x and y in the targets.
        across_down: luma samples for one chroma sample. All other numbers are luma samples, and
            multiples of these.
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
