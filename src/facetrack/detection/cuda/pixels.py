"""Area means of frames in torch, exact and for any window at once.

On the CPU by integral images: every mean that the cascade needs (pyramid levels, crops of 24 and
48 pixels) is the difference of four entries of a table of sums. int32 wraps around in large
frames; differences stay right. On a GPU the pixels themselves are summed, see ``triton_pixels``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.detection.cuda.batches import GpuFrames

MEAN, SCALE = 127.5, 1 / 128
"""What all four networks subtract and multiply."""


@dataclass(frozen=True)
class Pixels:
    """A batch of frames, made ready for means of their parts."""

    table: Tensor
    """On the CPU ``(b, height + 1, width + 1, 3)`` int32 sums; on a GPU ``(b, height, width)``
    int32, the three colours of a pixel in one."""
    height: int
    width: int

    @classmethod
    def of_frames(cls, frames: GpuFrames) -> "Pixels":
        """Frames as they lie on a GPU."""
        from facetrack.cuda.kernels.pixels import nv12_packed, rgb_packed

        if frames.matrix is None:
            return cls(rgb_packed(frames.pointers, *frames.shape), *frames.shape)
        return cls(nv12_packed(frames.pointers, *frames.shape, frames.matrix), *frames.shape)

    @classmethod
    def of_rgb(cls, rgb: Tensor) -> "Pixels":
        """``rgb``: ``(b, height, width, 3)`` uint8 on the device."""
        b, height, width, _ = rgb.shape
        if rgb.is_cuda:
            from facetrack.cuda.kernels.pixels import rgb_packed

            at = torch.arange(b, device=rgb.device) * rgb[0].numel() + rgb.data_ptr()
            return cls(rgb_packed(at, height, width), height, width)
        sums = rgb.cumsum(2, dtype=torch.int32).cumsum(1, dtype=torch.int32)
        return cls(F.pad(sums, (0, 0, 1, 0, 1, 0)), height, width)


def levels(pixels: Pixels, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Pyramid levels on the CPU, ``(b, 3, height, width)`` float32 each, as the networks want
    them; a GPU has ``triton_pixels.pyramid``."""
    return [_level(pixels, *size) for size in sizes]


def crops(
    pixels: Pixels, corners: Tensor, of_image: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """Parts ``(n, 4)`` x1 y1 x2 y2 of frames as ``(n, 3, size, size)``.

    Parts without a pixel give grey.
    """
    if pixels.table.is_cuda:
        from facetrack.cuda.kernels import pixels as triton_pixels

        return triton_pixels.crops(pixels.table, corners, of_image, size, dtype)
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
    return _normalised(means, dtype)


def _level(pixels: Pixels, height: int, width: int) -> Tensor:
    sums = pixels.table
    top, bottom = _windows(torch.tensor(pixels.height), height)
    left, right = _windows(torch.tensor(pixels.width), width)
    rows = sums.index_select(1, bottom) - sums.index_select(1, top)
    means = (rows.index_select(2, right) - rows.index_select(2, left)).float()
    means /= ((bottom - top)[:, None] * (right - left))[..., None]
    return _normalised(means, torch.float32)


def _windows(n: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and end of adaptive average pooling's windows: ``(...)`` to ``(..., size)`` each."""
    i = torch.arange(size, device=n.device)
    n = n[..., None]
    return i * n // size, -(-(i + 1) * n // size)


def _normalised(means: Tensor, dtype: torch.dtype) -> Tensor:
    return ((means - MEAN) * SCALE).to(dtype).permute(0, 3, 1, 2)


def normalised(crops: Tensor, dtype: torch.dtype) -> Tensor:
    """``(n, size, size, 3)`` uint8 RGB as a recogniser takes it: ``(n, 3, size, size)``,
    ``(x - 127.5) / 128``."""
    x = _normalised(crops.float(), dtype)
    return x.contiguous(memory_format=torch.channels_last)
