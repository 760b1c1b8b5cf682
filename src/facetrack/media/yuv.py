"""From YUV to RGB (ITU-R BT.601, BT.709, BT.2020)."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from facetrack.core.types import Float32, Image
from facetrack.media.planar import Plane

BT709, SMPTE240M, BT2020 = 1, 7, 9
LUMA_WEIGHTS = {BT709: (0.2126, 0.0722), SMPTE240M: (0.212, 0.087), BT2020: (0.2627, 0.0593)}
"""Of red and blue, by the colour space that the frame names; all others count as BT.601."""
BT601_WEIGHTS = (0.299, 0.114)


def rgb_of(planes: Sequence[Plane], matrix: Float32, offset: Float32) -> Image:
    """Y, U and V of one shape to ``(..., 3)`` uint8 RGB.

    Plane by plane: several times faster than pixel by pixel, and than BLAS, whose threads would
    spin for nothing.
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
def to_rgb_matrix(colorspace: int, full: bool) -> tuple[Float32, Float32]:
    """``(3, 3)`` and ``(3,)``: RGB is YUV @ matrix + offset (ITU-R BT.601, BT.709, BT.2020)."""
    red, blue = LUMA_WEIGHTS.get(colorspace, BT601_WEIGHTS)
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if full else (255 / 219, 255 / 224)
    matrix = np.array(
        [
            [luma, luma, luma],
            [0, -2 * (1 - blue) * blue / green * chroma, 2 * (1 - blue) * chroma],
            [2 * (1 - red) * chroma, -2 * (1 - red) * red / green * chroma, 0],
        ]
    )
    black = np.array([0.0 if full else 16.0, 128.0, 128.0])
    return matrix.astype(np.float32), (-black @ matrix).astype(np.float32)
