"""Brightness and sharpness of face crops that stay on a GPU, as ``recognition.quality`` has them.

Each is one or two Triton kernels, where torch needs a dozen.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.recognition.quality import BLACK, BRIGHT, DARK, LUMA, SHARP, SMOOTHING_PX

BLOCK = 1024
"""Values that a Triton program computes at a time."""


def normalised_light(crops: Tensor) -> Tensor:
    """Each crop as ``recognition.quality.normalised_light`` makes it.

    Args:
        crops: ``(n, size, size, 3)`` uint8 RGB on the GPU. The result has the same shape.
    """
    n, size, _, _ = crops.shape
    sums = crops.sum((1, 2), dtype=torch.int32)
    down = torch.empty(crops.shape, dtype=torch.float32, device=crops.device)
    out = torch.empty_like(crops)
    grid = n, triton.cdiv(size * size * 3, BLOCK)
    about = (*LUMA.tolist(), DARK, BRIGHT, BLACK, SMOOTHING_PX)
    _smooth_down[grid](crops, down, sums, *about, SIZE=size, BLOCK=BLOCK)
    _smooth_across[grid](crops, down, out, sums, *about, SIZE=size, BLOCK=BLOCK)
    return out


@triton.jit
def _gain(sums, red, green, blue, dark, bright, black, SIZE: tl.constexpr):
    """Gain of this program's crop; 1 where the crop is bright enough."""
    n = tl.program_id(0) * 3
    mean = tl.load(sums + n).to(tl.float32) * red + tl.load(sums + n + 1).to(tl.float32) * green
    mean = (mean + tl.load(sums + n + 2).to(tl.float32) * blue) / (SIZE * SIZE)
    return tl.where(mean < dark, bright / tl.maximum(mean, black), 1.0)


@triton.jit
def _smooth_down(
    crops, out, sums, red, green, blue, dark, bright, black, smoothing,
    SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Smooths the columns of dark crops; bright crops are skipped."""
    gain = _gain(sums, red, green, blue, dark, bright, black, SIZE)
    if gain > 1.0:
        sigma = smoothing * tl.log2(gain)
        reach = (4.0 * sigma + 0.5).to(tl.int32)
        first = tl.program_id(0).to(tl.int64) * (SIZE * SIZE * 3)
        at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        row, rest = at // (SIZE * 3), at % (SIZE * 3)
        value = tl.zeros((BLOCK,), tl.float32)
        total = 0.0
        for i in range(2 * reach + 1):
            step = (i - reach) / sigma
            weight = tl.exp(-0.5 * step * step)
            y = tl.minimum(tl.maximum(row + i - reach, 0), SIZE - 1)
            value += weight * tl.load(crops + first + y * (SIZE * 3) + rest).to(tl.float32)
            total += weight
        tl.store(out + first + at, value / total, mask=at < SIZE * SIZE * 3)


@triton.jit
def _smooth_across(
    crops, down, out, sums, red, green, blue, dark, bright, black, smoothing,
    SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Smooths the rows of what ``_smooth_down`` made and applies the gain; copies bright crops."""
    gain = _gain(sums, red, green, blue, dark, bright, black, SIZE)
    first = tl.program_id(0).to(tl.int64) * (SIZE * SIZE * 3)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < SIZE * SIZE * 3
    if gain > 1.0:
        sigma = smoothing * tl.log2(gain)
        reach = (4.0 * sigma + 0.5).to(tl.int32)
        column = at // 3 % SIZE
        value = tl.zeros((BLOCK,), tl.float32)
        total = 0.0
        for i in range(2 * reach + 1):
            step = (i - reach) / sigma
            weight = tl.exp(-0.5 * step * step)
            x = tl.minimum(tl.maximum(column + i - reach, 0), SIZE - 1)
            value += weight * tl.load(down + first + at + (x - column) * 3, mask=inside, other=0.0)
            total += weight
        value = tl.minimum(value / total * gain + 0.5, 255.0)
        tl.store(out + first + at, value.to(tl.uint8), mask=inside)
    else:
        tl.store(out + first + at, tl.load(crops + first + at, mask=inside, other=0), mask=inside)


def sharpness(crops: Tensor) -> Tensor:
    """``(n,)`` float32, 0 to 1, as ``recognition.quality.sharpness``.

    Args:
        crops: ``(n, size, size, 3)`` uint8 RGB box crops on the GPU.
    """
    n, size, _, _ = crops.shape
    out = torch.empty((n,), dtype=torch.float32, device=crops.device)
    _sharpness[(n,)](crops, out, SHARP, SIZE=size, BLOCK=BLOCK)
    return out


@triton.jit
def _grey(pixel, inside):
    """Brightness of the pixels at these addresses."""
    red = tl.load(pixel, mask=inside, other=0).to(tl.float32)
    green = tl.load(pixel + 1, mask=inside, other=0).to(tl.float32)
    blue = tl.load(pixel + 2, mask=inside, other=0).to(tl.float32)
    return (red + green + blue) / 3.0


@triton.jit
def _sharpness(crops, out, sharp, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    """One program goes through one whole crop."""
    INNER: tl.constexpr = SIZE - 2
    crop = crops + tl.program_id(0).to(tl.int64) * (SIZE * SIZE * 3)
    total = tl.zeros((BLOCK,), tl.float32)
    squares = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, INNER * INNER, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < INNER * INNER
        middle = crop + ((at // INNER + 1) * SIZE + at % INNER + 1) * 3
        around = _grey(middle - 3, inside) + _grey(middle + 3, inside)
        around += _grey(middle - SIZE * 3, inside) + _grey(middle + SIZE * 3, inside)
        change = around - 4.0 * _grey(middle, inside)
        total += change
        squares += change * change
    mean = tl.sum(total, 0) / (INNER * INNER)
    variance = tl.sum(squares, 0) / (INNER * INNER) - mean * mean
    tl.store(out + tl.program_id(0), tl.minimum(variance / sharp, 1.0))
