"""Adaptive average pooling of a frame's part: the resampling that MTCNN is compared against.

Output pixel ``i`` of ``o`` is the mean of input pixels ``floor(i n / o)`` to ``ceil((i+1) n / o)``;
a part smaller than the output so repeats its pixels.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32, Image


def area_resized(part: Image, size: int) -> Float32:
    """``(height, width, 3)`` uint8 to ``(size, size, 3)`` float32, 0 to 255."""
    rows, columns = _means(part.shape[0], size), _means(part.shape[1], size)
    height, width = part.shape[:2]
    by_rows = rows @ part.reshape(height, width * 3).astype(np.float32)
    by_columns = columns @ by_rows.reshape(size, width, 3)
    return np.asarray(by_columns, np.float32)


@lru_cache(maxsize=4096)
def _means(n: int, size: int) -> NDArray[np.float32]:
    """``(size, n)`` matrix that takes the mean of each output's window; not to be written to."""
    i = np.arange(size)
    first, end = i * n // size, -(-(i + 1) * n // size)
    at = np.arange(n)
    inside = (at >= first[:, None]) & (at < end[:, None])
    return np.asarray(inside / (end - first)[:, None], np.float32)
