"""Exact area means of parts of frames in torch: pyramid levels, and crops for R-Net and O-Net.

On the CPU every mean is the difference of four entries of an integral image. In large frames int32
wraps around; the differences stay right. On a GPU the pixels themselves are summed, which is faster
there (``cuda.kernels.pixels``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.cuda.layers import normalised
from facetrack.detection.cuda.batches import GpuFrames


@dataclass(frozen=True)
class Pixels:
    """A batch of ``b`` frames, prepared for means of their parts."""

    table: Tensor
    """On the CPU the integral images, ``(b, height + 1, width + 1, 3)`` int32; on a GPU packed
    pixels, ``(b, height, width)`` int32 (``cuda.kernels.pixels``)."""
    height: int
    """Of the frames, in pixels."""
    width: int

    @classmethod
    def of_frames(cls, frames: GpuFrames) -> "Pixels":
        """From frames in GPU memory."""
        from facetrack.cuda.kernels.pixels import nv12_packed, rgb_packed

        if frames.matrix is None:
            return cls(rgb_packed(frames.pointers, *frames.shape), *frames.shape)
        return cls(nv12_packed(frames.pointers, *frames.shape, frames.matrix), *frames.shape)

    @classmethod
    def of_rgb(cls, rgb: Tensor) -> "Pixels":
        """From ``(b, height, width, 3)`` uint8 RGB on the device."""
        b, height, width, _ = rgb.shape
        if rgb.is_cuda:
            from facetrack.cuda.kernels.pixels import rgb_packed

            at = torch.arange(b, device=rgb.device) * rgb[0].numel() + rgb.data_ptr()
            return cls(rgb_packed(at, height, width), height, width)
        sums = rgb.cumsum(2, dtype=torch.int32).cumsum(1, dtype=torch.int32)
        return cls(F.pad(sums, (0, 0, 1, 0, 1, 0)), height, width)


def levels(pixels: Pixels, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Pyramid levels of these heights and widths, on the CPU, each ``(b, 3, height, width)``
    float32, normalised. On a GPU ``cuda.kernels.pyramid`` makes them."""
    return [_level(pixels, *size) for size in sizes]


def crops(
    pixels: Pixels, corners: Tensor, of_image: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """Crops ``(n, 3, size, size)`` of parts of frames, normalised; grey where a part is empty.

    Args:
        pixels: the frames.
        corners: ``(n, 4)`` x1 y1 x2 y2 of the parts, inside the frame.
        of_image: ``(n,)`` position of each part's frame in the batch.
        size: side of the crops.
        dtype: of the crops.
    """
    if pixels.table.is_cuda:
        from facetrack.cuda.kernels import pixels as kernels

        return kernels.crops(pixels.table, corners, of_image, size, dtype)
    _, rows, columns, _ = pixels.table.shape
    x1, y1, x2, y2 = corners.unbind(1)
    left, right = _windows(x2 - x1, size)
    top, bottom = _windows(y2 - y1, size)
    base = (of_image * rows)[:, None]
    top, bottom = ((base + y1[:, None] + v) * columns for v in (top, bottom))
    left, right = (x1[:, None] + v for v in (left, right))
    table = pixels.table.view(-1, 3)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return table[(row[:, :, None] + column[:, None]).flatten()].view(-1, size, size, 3)

    means = (at(bottom, right) - at(bottom, left) - at(top, right) + at(top, left)).float()
    area = (bottom - top)[:, :, None] // columns * (right - left)[:, None]
    means /= area.clamp(min=1)[..., None]
    return normalised(means, dtype)


def _level(pixels: Pixels, height: int, width: int) -> Tensor:
    sums = pixels.table
    top, bottom = _windows(torch.tensor(pixels.height), height)
    left, right = _windows(torch.tensor(pixels.width), width)
    rows = sums.index_select(1, bottom) - sums.index_select(1, top)
    means = (rows.index_select(2, right) - rows.index_select(2, left)).float()
    means /= ((bottom - top)[:, None] * (right - left))[..., None]
    return normalised(means, torch.float32)


def _windows(n: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and end of the windows of adaptive average pooling from ``n`` to ``size`` pixels:
    ``(...)`` to ``(..., size)`` each."""
    i = torch.arange(size, device=n.device)
    n = n[..., None]
    return i * n // size, -(-(i + 1) * n // size)
