"""Area means of pictures in torch, exact and for any window at once, by integral images.

Every mean that the cascade needs (pyramid levels, crops of 24 and 48 pixels) is the difference of
four entries of a table of sums. int32 wraps around in large pictures; differences stay right.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN, SCALE = 127.5, 1 / 128
"""What all four networks subtract and multiply."""


def integral(rgb: Tensor) -> Tensor:
    """``(b, height, width, 3)`` uint8 to ``(b, height + 1, width + 1, 3)`` int32 sums."""
    sums = rgb.cumsum(2, dtype=torch.int32).cumsum(1, dtype=torch.int32)
    return F.pad(sums, (0, 0, 1, 0, 1, 0))


def windows(n: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and end of adaptive average pooling's windows: ``(...)`` to ``(..., size)`` each."""
    i = torch.arange(size, device=n.device)
    n = n[..., None]
    return i * n // size, -(-(i + 1) * n // size)


def level(sums: Tensor, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """One pyramid level, ``(b, 3, height, width)``, as the networks want it."""
    if sums.is_cuda:
        from facetrack.engines.torch.triton_pixels import means_of_whole

        return means_of_whole(sums, height, width, dtype)
    top, bottom = windows(_size(sums, 1), height)
    left, right = windows(_size(sums, 2), width)
    rows = sums.index_select(1, bottom) - sums.index_select(1, top)
    means = (rows.index_select(2, right) - rows.index_select(2, left)).float()
    means /= ((bottom - top)[:, None] * (right - left))[..., None]
    return _normalised(means, dtype)


def crops(
    sums: Tensor, corners: Tensor, of_picture: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """Parts ``(n, 4)`` x1 y1 x2 y2 of pictures as ``(n, 3, size, size)``.

    Parts without a pixel give grey.
    """
    if sums.is_cuda:
        from facetrack.engines.torch.triton_pixels import means_of_parts

        return means_of_parts(sums, corners, of_picture, size, dtype)
    _, rows, columns, _ = sums.shape
    x1, y1, x2, y2 = corners.unbind(1)
    left, right = windows(x2 - x1, size)
    top, bottom = windows(y2 - y1, size)
    base = (of_picture * rows)[:, None]
    top, bottom = ((base + y1[:, None] + v) * columns for v in (top, bottom))
    left, right = (x1[:, None] + v for v in (left, right))
    table = sums.view(-1, 3)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return table[(row[:, :, None] + column[:, None]).flatten()].view(-1, size, size, 3)

    means = (at(bottom, right) - at(bottom, left) - at(top, right) + at(top, left)).float()
    area = (bottom - top)[:, :, None] // columns * (right - left)[:, None]
    means /= area.clamp(min=1)[..., None]
    return _normalised(means, dtype)


def _size(sums: Tensor, dim: int) -> Tensor:
    return torch.full((), sums.shape[dim] - 1, device=sums.device)


def _normalised(means: Tensor, dtype: torch.dtype) -> Tensor:
    return ((means - MEAN) * SCALE).to(dtype).permute(0, 3, 1, 2)
