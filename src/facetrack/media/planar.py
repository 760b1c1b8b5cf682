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
from facetrack.media.orientation import Orientation

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
UNSPECIFIED = 0
"""Of a colour range."""
RGB, BT709, UNKNOWN, BT601_625, SMPTE240M, BT2020 = 0, 1, 2, 5, 7, 9
"""Numbers of matrices in H.273."""
PQ, HLG = 16, 18
"""Numbers of the transfer functions of HDR in H.273."""
HD_WIDTH, HD_HEIGHT = 1280, 576
"""Size in pixels from which (width), or above which (height), players assume BT.709."""


@dataclass(frozen=True)
class UprightPlanes:
    """Y, U and V of a decoded frame, turned and mirrored as the file says, at the depth they were
    decoded in."""

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

    _orientation: Orientation

    @classmethod
    def of(cls, frame: VideoFrame, matrix: int, full_range: bool = False) -> "UprightPlanes":
        """Views of the frame's memory where its format is one of ``PLANAR`` and its colours are
        those that are wanted; else a conversion.

        Args:
            matrix: of the colours that are wanted, as in H.273 (1: BT.709, 5: BT.601).
            full_range: whether their samples go from 0 to the largest value.
        """
        orientation, frame = Orientation.of(frame), truly_named(frame)
        name, own, own_full = frame.format.name, matrix_of(frame), is_full_range(frame)
        same = (own_full, swscale_matrix(own)) == (full_range, swscale_matrix(matrix))
        if name not in PLANAR or not same:
            has_colours = not (frame.format.is_rgb or frame.format.has_palette)
            frame = frame.reformat(
                format=name.replace("yuvj", "yuv") if name in PLANAR else "yuv420p",
                src_colorspace=swscale_matrix(own) if has_colours else None,
                dst_colorspace=swscale_matrix(matrix),
                src_color_range=("JPEG" if own_full else "MPEG") if has_colours else None,
                dst_color_range="JPEG" if full_range else "MPEG",
            )
        across, down, bits = PLANAR[frame.format.name]
        if orientation.swaps_axes:
            across, down = down, across
        y, u, v = map(orientation.upright, planes(frame))
        return cls((y, u, v), across, down, bits, frame, orientation)

    def rgb(self) -> Image:
        """``(height, width, 3)`` uint8 RGB."""
        image = self._frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(self._orientation.upright(image))


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
    """Whether samples go from 0 to the largest value; else luma goes from 16 to 235 of 8 bits.

    Where the frame does not say it, the formats of JPEG and grey ones are full, as in libswscale.
    """
    said = int(frame.color_range)
    unsaid_is_full = frame.format.name.startswith(("yuvj", "gray", "ya"))
    return said == FULL_RANGE or (said == UNSPECIFIED and unsaid_is_full)


def truly_named(frame: VideoFrame) -> VideoFrame:
    """The frame in a format whose name does not contradict its range.

    libav's H.264 decoder keeps the format ``yuvj420p`` where a film goes on in the limited range,
    and libswscale believes the format.
    """
    name = frame.format.name
    if not name.startswith("yuvj") or is_full_range(frame):
        return frame
    renamed = VideoFrame(frame.width, frame.height, name.replace("yuvj", "yuv"))
    for source, target in zip(planes(frame), planes(renamed), strict=True):
        target[:] = source
    renamed.colorspace, renamed.color_range = frame.colorspace, frame.color_range
    return renamed


def matrix_of(frame: VideoFrame) -> int:
    """The matrix of a frame's colours, as in H.273.

    Where the frame does not say it, BT.2020's in HDR, else the one that players assume for the
    frame's size.
    """
    matrix = int(frame.colorspace)
    if matrix == UNKNOWN and not frame.format.is_rgb and int(frame.color_trc) in (PQ, HLG):
        return BT2020
    if frame.format.is_rgb or matrix in (UNKNOWN, RGB):
        large = frame.width >= HD_WIDTH or frame.height > HD_HEIGHT
        return BT709 if large else BT601_625
    return matrix


def swscale_matrix(matrix: int) -> int:
    """libswscale's number of a matrix; it has one for each of BT.601's."""
    return matrix if matrix in (BT709, SMPTE240M, BT2020) else BT601_625


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
