"""The pyramid levels of frames on a GPU, by exact area means.

In levels with narrow windows, each lane sums the pixels of one window. In levels with wide windows
the lanes would read from all over the frame. So there each lane sums one column of pixels, and the
sum of a window is the difference of two running sums over the columns.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.cuda.kernels.pixels import level_of, number, sums, table_on

BLOCK = 128
"""Means of narrow windows of one Triton program."""
WIDE = 4
"""Width of a window, in pixels, from which it counts as wide."""


class Pyramid(NamedTuple):
    """The levels of ``b`` frames, normalised to -1 to 1. Each number is two float16 parts: the
    number rounded to float16, and the remainder."""

    parts: Tensor
    """``(pixels, 2, 4)``: level after level, in it frame after frame; the first and the second
    parts of red, green, blue and 0. At the end are as many zeros as P-Net reads beyond the last
    pixel."""
    sizes: Sequence[tuple[int, int]]
    """Height and width of each level."""
    starts: Sequence[int]
    """Position of each level's first pixel."""
    images: int
    """Number of frames, ``b``."""


def pyramid(pixels: Tensor, sizes: Sequence[tuple[int, int]]) -> Pyramid:
    """The levels of ``(b, height, width)`` packed pixels; ``sizes``: height and width of each."""
    b, height, width = pixels.shape
    ends = list(accumulate((b * h * w for h, w in sizes), initial=0))
    beyond = 2 * max(w for _, w in sizes)
    out = torch.empty((ends[-1] + beyond, 2, 4), dtype=torch.float16, device=pixels.device)
    out[ends[-1] :].zero_()
    levels = [(h, w, start) for (h, w), start in zip(sizes, ends, strict=False)]
    narrow = [level for level in levels if width < WIDE * level[1]]
    wide = [level for level in levels if width >= WIDE * level[1]]
    numbers = out.view(torch.int64)
    if narrow:
        tiles, table = _table(narrow, [triton.cdiv(h * w, BLOCK) for h, w, _ in narrow], pixels)
        _level[(b * tiles,)](
            pixels, table, numbers, height, width, tiles, LEVELS=len(narrow), BLOCK=BLOCK
        )
    if wide:
        rows, table = _table(wide, [h for h, _, _ in wide], pixels)
        columns = triton.next_power_of_2(width)
        means = triton.next_power_of_2(max(w for _, w, _ in wide))
        _rows[(b * rows,)](
            pixels, table, numbers, height, width, rows, LEVELS=len(wide), COLUMNS=columns,
            MEANS=means, num_warps=max(4, columns // 512),
        )  # fmt: skip
    return Pyramid(out, sizes, ends[:-1], b)


def _table(
    levels: Sequence[tuple[int, int, int]], programs: Sequence[int], pixels: Tensor
) -> tuple[int, Tensor]:
    """Number of programs of a frame, and on the GPU each level's first program, height, width,
    start."""
    *firsts, total = accumulate(programs, initial=0)
    rows = tuple((first, *level) for first, level in zip(firsts, levels, strict=True))
    return total, table_on(rows, pixels.device)


@triton.jit
def _level(pixels, table, out, height, width, tiles, LEVELS: tl.constexpr, BLOCK: tl.constexpr):
    image = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    level = level_of(tile, table, LEVELS, 4)
    rows, columns = number(level, 1), number(level, 2)
    at = (tile - number(level, 0)) * BLOCK + tl.arange(0, BLOCK)
    inside = at < rows * columns
    i, j = at // columns, at % columns
    top, bottom = i * height // rows, ((i + 1) * height + rows - 1) // rows
    left, right = j * width // columns, ((j + 1) * width + columns - 1) // columns
    source = pixels + image * height * width
    red, green, blue = sums(source, width, top, bottom, left, right, inside)
    target = out + (tl.load(level + 3) + image * rows * columns + at) * 2
    _store(red, green, blue, (bottom - top) * (right - left), target, inside)


@triton.jit
def _rows(
    pixels, table, out, height, width, all_rows,
    LEVELS: tl.constexpr, COLUMNS: tl.constexpr, MEANS: tl.constexpr,
):  # fmt: skip
    image = (tl.program_id(0) // all_rows).to(tl.int64)
    row = tl.program_id(0) % all_rows
    level = level_of(row, table, LEVELS, 4)
    rows, columns = number(level, 1), number(level, 2)
    i = row - number(level, 0)
    top, bottom = i * height // rows, ((i + 1) * height + rows - 1) // rows
    x = tl.arange(0, COLUMNS)
    source = pixels + (image * height + top) * width + x
    red = tl.zeros((COLUMNS,), tl.int32)
    green = tl.zeros((COLUMNS,), tl.int32)
    blue = tl.zeros((COLUMNS,), tl.int32)
    for y in range(bottom - top):
        pixel = tl.load(source + y * width, mask=x < width, other=0)
        red += pixel & 255
        green += (pixel >> 8) & 255
        blue += pixel >> 16
    j = tl.arange(0, MEANS)
    inside = j < columns
    left = tl.where(inside, j * width // columns, 0)
    right = tl.where(inside, ((j + 1) * width + columns - 1) // columns, 1)
    target = out + (tl.load(level + 3) + (image * rows + i) * columns + j) * 2
    area = (bottom - top) * (right - left)
    _store(
        _windows(red, left, right), _windows(green, left, right), _windows(blue, left, right),
        area, target, inside,
    )  # fmt: skip


@triton.jit
def _windows(of_columns, left, right):
    """Sums over the columns from ``left`` to before ``right``."""
    running = tl.cumsum(of_columns, 0)
    before = tl.gather(running, tl.maximum(left - 1, 0), 0)
    return tl.gather(running, right - 1, 0) - tl.where(left > 0, before, 0)


@triton.jit
def _store(red, green, blue, area, target, inside):
    """Stores the means of sums over ``area`` pixels, as two parts each."""
    area = area.to(tl.float32)
    red, red_rest = _parts(red, area)
    green, green_rest = _parts(green, area)
    blue, blue_rest = _parts(blue, area)
    tl.store(target, red | (green << 16) | (blue << 32), mask=inside)
    tl.store(target + 1, red_rest | (green_rest << 16) | (blue_rest << 32), mask=inside)


@triton.jit
def _parts(total, area):
    """The bits of a mean's two float16 parts."""
    mean = (total.to(tl.float32) / area - 127.5) * 0.0078125
    high = mean.to(tl.float16)
    low = (mean - high.to(tl.float32)).to(tl.float16)
    return _bits(high), _bits(low)


@triton.jit
def _bits(half):
    return half.to(tl.uint16, bitcast=True).to(tl.int64)
