"""From YUV to RGB: the matrices of ITU-R BT.601, BT.709 and BT.2020, and libswscale."""

import threading
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from facetrack.core.types import Float32, Image
from facetrack.media.planar import Plane

BT709, SMPTE240M, BT2020 = 1, 7, 9
LUMA_WEIGHTS = {BT709: (0.2126, 0.0722), SMPTE240M: (0.212, 0.087), BT2020: (0.2627, 0.0593)}
"""Weights of red and blue in luma, by the frame's colour space; all others count as BT.601."""
BT601_WEIGHTS = (0.299, 0.114)


def rgb_of(planes: Sequence[Plane], matrix: Float32, offset: Float32) -> Image:
    """Y, U and V of one shape as ``(..., 3)`` uint8 RGB; matrix and offset: ``to_rgb_matrix``.

    Works plane by plane: that is several times faster than pixel by pixel, and than BLAS, whose
    threads would only wait for each other.
    """
    yuv = [plane.astype(np.float32) for plane in planes]
    rgb = np.empty((*yuv[0].shape, 3), np.uint8)
    colour, term = np.empty_like(yuv[0]), np.empty_like(yuv[0])
    for i in range(3):
        np.multiply(yuv[0], matrix[0, i], out=colour)
        for plane, weight in zip(yuv[1:], matrix[1:, i], strict=True):
            if weight:
                colour += np.multiply(plane, weight, out=term)
        colour += offset[i]
        np.rint(np.clip(colour, 0, 255, out=colour), out=colour)
        rgb[..., i] = colour
    return rgb


@lru_cache(maxsize=16)
def to_rgb_matrix(colorspace: int, full_range: bool) -> tuple[Float32, Float32]:
    """``(3, 3)`` matrix and ``(3,)`` offset: RGB is YUV @ matrix + offset, all from 0 to 255.

    Args:
        colorspace: libav's number, as H.273 has it.
        full_range: whether luma goes from 0 to 255 rather than from 16 to 235.
    """
    red, blue = LUMA_WEIGHTS.get(colorspace, BT601_WEIGHTS)
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if full_range else (255 / 219, 255 / 224)
    matrix = np.array(
        [
            [luma, luma, luma],
            [0, -2 * (1 - blue) * blue / green * chroma, 2 * (1 - blue) * chroma],
            [2 * (1 - red) * chroma, -2 * (1 - red) * red / green * chroma, 0],
        ]
    )
    black = np.array([0.0 if full_range else 16.0, 128.0, 128.0])
    return matrix.astype(np.float32), (-black @ matrix).astype(np.float32)


def scaled(frame: VideoFrame, height: int, width: int) -> Image:
    """A 4:2:0 frame made smaller, as ``(height, width, 3)`` uint8 RGB.

    Each pixel is about the mean of the pixels under it. libswscale scales first and converts
    then: it scales planes several times faster than it scales into RGB. Even sizes are faster for
    the same reason.
    """
    small = _reformatters.scaling.reformat(
        frame, width, height, "yuv420p", interpolation="BILINEAR", threads=1
    )
    coloured = _reformatters.conversion.reformat(small, format="rgb24", threads=1)
    return np.asarray(coloured.to_ndarray(), np.uint8)


class _Reformatters(threading.local):
    """libswscale's tables, kept from frame to frame for each thread: to make them costs more than
    to scale a frame."""

    def __init__(self) -> None:
        self.scaling, self.conversion = VideoReformatter(), VideoReformatter()


_reformatters = _Reformatters()
