"""Adaptive average pooling of a part of a frame, as PyTorch and facenet-pytorch do it.

Output pixel ``i`` of ``o`` is the mean of input pixels ``floor(i n / o)`` to ``ceil((i+1) n / o)``.
So pixels are repeated where the part is smaller than the output.
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
    """``(size, n)`` matrix that takes the mean of each output's pixels. It is shared: read only."""
    i = np.arange(size)
    first, end = i * n // size, -(-(i + 1) * n // size)
    at = np.arange(n)
    inside = (at >= first[:, None]) & (at < end[:, None])
    return np.asarray(inside / (end - first)[:, None], np.float32)
