"""``recognition.light`` on a GPU, for crops that never leave it."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.recognition.light import BLACK, BRIGHT, DARK, LUMA, SMOOTHING_PX

BLOCK = 1024
"""Numbers of a crop that one Triton program makes."""


def normalised_light(crops: Tensor) -> Tensor:
    """``(n, size, size, 3)`` uint8 RGB as ``recognition.light.normalised_light`` makes each."""
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
    """Of a crop; 1 where it is bright enough."""
    n = tl.program_id(0) * 3
    mean = tl.load(sums + n).to(tl.float32) * red + tl.load(sums + n + 1).to(tl.float32) * green
    mean = (mean + tl.load(sums + n + 2).to(tl.float32) * blue) / (SIZE * SIZE)
    return tl.where(mean < dark, bright / tl.maximum(mean, black), 1.0)


@triton.jit
def _smooth_down(
    crops, out, sums, red, green, blue, dark, bright, black, smoothing,
    SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Of dark crops alone."""
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
    """What ``_smooth_down`` made, and brighter; other crops as they are."""
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
