"""The levels of frames on a GPU, by exact means of the pixels below each of theirs.

The pixels of a narrow window are read lane by lane. With wide windows lanes would read all over the
frame; so there a program goes down whole rows, a column a lane, and takes the sum of a window as
the difference of two of the running sums of its columns.
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
"""Means of narrow windows that one program makes."""
WIDE = 4
"""Columns of a window from which on rows are read as a whole."""


class Pyramid(NamedTuple):
    """Levels of some frames, each number as two float16: rounded, and what that left over."""

    parts: Tensor
    """``(pixels, 2, 4)``, one level after the other, frame by frame; red, green, blue and 0.
    As many zeros follow as P-Net reads beyond the end."""
    sizes: Sequence[tuple[int, int]]
    starts: Sequence[int]
    """Of each level, in pixels."""
    images: int


def pyramid(pixels: Tensor, sizes: Sequence[tuple[int, int]]) -> Pyramid:
    """Levels ``(height, width)`` each of packed frames, see ``triton_pixels``."""
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
    """How many programs a frame has, and for each level its first one, height, width, start."""
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
    """Sums from ``left`` to before ``right``."""
    running = tl.cumsum(of_columns, 0)
    before = tl.gather(running, tl.maximum(left - 1, 0), 0)
    return tl.gather(running, right - 1, 0) - tl.where(left > 0, before, 0)


@triton.jit
def _store(red, green, blue, area, target, inside):
    """The means of some sums."""
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
