"""From YUV to RGB (ITU-R BT.601, BT.709, BT.2020)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facetrack.types import Float32

BT709, SMPTE240M, BT2020 = 1, 7, 9
LUMA_WEIGHTS = {BT709: (0.2126, 0.0722), SMPTE240M: (0.212, 0.087), BT2020: (0.2627, 0.0593)}
"""Of red and blue, by the colour space that the frame names; all others count as BT.601."""
BT601_WEIGHTS = (0.299, 0.114)


def rgb_of(yuv: NDArray[np.generic], matrix: Float32, offset: Float32) -> Float32:
    """``(..., 3)`` YUV to RGB, 0 to 255, written out: BLAS's threads would spin for nothing."""
    colours = np.empty(yuv.shape, np.float32)
    parts = [yuv[..., i].astype(np.float32) for i in range(3)]
    for i in range(3):
        a, b, c = matrix[:, i]
        colours[..., i] = parts[0] * a + parts[1] * b + parts[2] * c + offset[i]
    return np.clip(colours, 0, 255, out=colours)


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
