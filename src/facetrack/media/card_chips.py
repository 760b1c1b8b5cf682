"""Face chips of pictures on a card, all in one kernel: only what the recogniser sees is copied off.

The same as cutting, converting and Pillow's BILINEAR on the host, but for one rounding in between.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

SIZE = 160
BLOCK = 128


class Place(NamedTuple):
    """A part of an NV12 picture."""

    address: int
    width: int
    height: int
    x1: int
    y1: int
    x2: int
    y2: int


def chips_of(
    places: Sequence[Place], colours: Sequence[tuple[float, ...]], device: torch.device
) -> Tensor:
    """``(n, 160, 160, 3)`` uint8 RGB; ``colours``: as ``card_picture.colour_arguments``."""
    table = torch.tensor(places, dtype=torch.int64).to(device)
    return chips_at(table, torch.tensor(colours, dtype=torch.float32).to(device))


def chips_at(table: Tensor, matrices: Tensor) -> Tensor:
    """As ``chips_of``, of ``(n, 7)`` places; ``matrices`` ``(n, 12)``, or ``(12,)`` for all."""
    out = torch.empty((len(table), SIZE, SIZE, 3), dtype=torch.uint8, device=table.device)
    step = matrices.stride(0) if matrices.ndim > 1 else 0
    _chip[len(table), triton.cdiv(SIZE * SIZE, BLOCK)](
        table, matrices, step, out, SIZE=SIZE, BLOCK=BLOCK
    )
    return out


@triton.jit
def _window(at, length, SIZE: tl.constexpr):
    """First, end, middle and reach of the samples that each output sees, as Pillow has them."""
    scale = length.to(tl.float32) / SIZE
    reach = tl.maximum(scale, 1.0)
    middle = (at.to(tl.float32) + 0.5) * scale
    first = tl.maximum((middle - reach + 0.5).to(tl.int32), 0)
    end = tl.minimum((middle + reach + 0.5).to(tl.int32), length)
    return first, end, middle, reach


@triton.jit
def whole(value):
    """To the nearest of the numbers that 8 bits hold."""
    return tl.floor(tl.minimum(tl.maximum(value, 0.0), 255.0) + 0.5)


@triton.jit
def _chip(table, matrices, step, out, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < SIZE * SIZE
    place = table + n * 7
    picture = tl.load(place).to(tl.pointer_type(tl.uint8))
    width, height = tl.load(place + 1).to(tl.int32), tl.load(place + 2).to(tl.int32)
    x1, y1 = tl.load(place + 3).to(tl.int32), tl.load(place + 4).to(tl.int32)
    wide, high = tl.load(place + 5).to(tl.int32) - x1, tl.load(place + 6).to(tl.int32) - y1
    m = matrices + n * step
    top, bottom, middle_y, reach_y = _window(at // SIZE, high, SIZE)
    left, right, middle_x, reach_x = _window(at % SIZE, wide, SIZE)
    red = tl.zeros((BLOCK,), tl.float32)
    green = tl.zeros((BLOCK,), tl.float32)
    blue = tl.zeros((BLOCK,), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    rows = tl.max(tl.where(inside, bottom - top, 0), 0)
    columns = tl.max(tl.where(inside, right - left, 0), 0)
    for dy in range(rows):
        y = top + dy
        weight_y = tl.maximum(1.0 - tl.abs((y - middle_y + 0.5) / reach_y), 0.0)
        for dx in range(columns):
            x = left + dx
            weight = tl.maximum(1.0 - tl.abs((x - middle_x + 0.5) / reach_x), 0.0) * weight_y
            there = inside & (y < bottom) & (x < right)
            weight = tl.where(there, weight, 0.0)
            luma = tl.load(picture + (y1 + y) * width + x1 + x, mask=there, other=0)
            luma = luma.to(tl.float32)
            pair = picture + (height + (y1 + y) // 2) * width + (x1 + x) // 2 * 2
            u = tl.load(pair, mask=there, other=0).to(tl.float32)
            v = tl.load(pair + 1, mask=there, other=0).to(tl.float32)
            r = luma * tl.load(m) + u * tl.load(m + 3) + v * tl.load(m + 6) + tl.load(m + 9)
            g = luma * tl.load(m + 1) + u * tl.load(m + 4) + v * tl.load(m + 7) + tl.load(m + 10)
            b = luma * tl.load(m + 2) + u * tl.load(m + 5) + v * tl.load(m + 8) + tl.load(m + 11)
            red += weight * whole(r)
            green += weight * whole(g)
            blue += weight * whole(b)
            total += weight
    target = out + (n.to(tl.int64) * SIZE * SIZE + at) * 3
    tl.store(target, whole(red / total).to(tl.uint8), mask=inside)
    tl.store(target + 1, whole(green / total).to(tl.uint8), mask=inside)
    tl.store(target + 2, whole(blue / total).to(tl.uint8), mask=inside)
