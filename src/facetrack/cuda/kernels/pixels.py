"""Packed pixels of frames on a GPU, and area means of parts of them.

A packed pixel is one int32 with red, green and blue in its lowest three bytes, so that one load
reads all three. An area mean sums the pixels themselves: a batch's frames are processed one after
the other, and each one stays in the GPU's cache meanwhile. Integral images would cost three times
as much, because they are eight times as large as the frame.
"""

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128
"""Means of one Triton program."""


def rgb_packed(pointers: Tensor, height: int, width: int) -> Tensor:
    """RGB frames to ``(b, height, width)`` int32 packed pixels.

    Args:
        pointers: ``(b,)`` int64 addresses of frames ``(height, width, 3)`` uint8.
        height: of the frames in pixels.
        width: of the frames in pixels.
    """
    b = len(pointers)
    out = torch.empty((b, height, width), dtype=torch.int32, device=pointers.device)
    _rgb[b, triton.cdiv(height * width, 1024)](pointers, out, height * width, BLOCK=1024)
    return out


def nv12_packed(pointers: Tensor, height: int, width: int, matrix: tuple[float, ...]) -> Tensor:
    """NV12 frames to ``(b, height, width)`` int32 packed pixels. Each chroma sample is used for its
    2 x 2 pixels.

    Args:
        pointers: ``(b,)`` int64 addresses of frames ``(height * 3 / 2, width)`` uint8.
        height: of the frames in pixels.
        width: of the frames in pixels.
        matrix: to RGB, nine numbers row by row, then three offsets; see
            ``gpu_frame.colour_arguments``.
    """
    b = len(pointers)
    out = torch.empty((b, height, width), dtype=torch.int32, device=pointers.device)
    _nv12[b * height, triton.cdiv(width, 1024)](pointers, out, height, width, *matrix, BLOCK=1024)
    return out


def crops(
    pixels: Tensor, corners: Tensor, of_image: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """See ``mtcnn.cuda.pixels.crops``; channels last. ``pixels``: ``(b, height, width)`` packed."""
    _, height, width = pixels.shape
    n = len(corners)
    out = torch.empty(
        (n, 3, size, size), dtype=dtype, device=pixels.device, memory_format=torch.channels_last
    )
    _crop[n, triton.cdiv(size * size, BLOCK)](
        pixels, corners.contiguous(), of_image, out, height, width, size, BLOCK=BLOCK
    )
    return out


@lru_cache(maxsize=64)
def table_on(rows: tuple[tuple[int, ...], ...], device: torch.device) -> Tensor:
    """A table of numbers on the GPU. It is copied there once, because a CUDA graph cannot do it."""
    return torch.tensor(rows, dtype=torch.int64, device=device)


@triton.jit
def level_of(program, table, LEVELS: tl.constexpr, NUMBERS: tl.constexpr):
    """The address of the table's row for the pyramid level that a program works on.

    A row has ``NUMBERS`` numbers; the first one is the level's first program.
    """
    level = 0
    for i in tl.static_range(1, LEVELS):
        level += (program >= tl.load(table + i * NUMBERS)).to(tl.int32)
    return table + level * NUMBERS


@triton.jit
def number(row, i: tl.constexpr):
    """The ``i``-th number of a table's row, counted from 0, as int32."""
    return tl.load(row + i).to(tl.int32)


@triton.jit
def sums(source, width, top, bottom, left, right, inside):
    """Sums of red, green and blue over windows."""
    red = tl.zeros_like(top)
    green = tl.zeros_like(top)
    blue = tl.zeros_like(top)
    rows = tl.max(tl.where(inside, bottom - top, 0), 0)
    columns = tl.max(tl.where(inside, right - left, 0), 0)
    for dy in range(rows):
        line = source + (top + dy) * width
        here = inside & (top + dy < bottom)
        for dx in range(columns):
            pixel = tl.load(line + left + dx, mask=here & (left + dx < right), other=0)
            red += pixel & 255
            green += (pixel >> 8) & 255
            blue += pixel >> 16
    return red, green, blue


@triton.jit
def _store_means(red, green, blue, area, target, inside):
    area = tl.maximum(area, 1).to(tl.float32)
    kind = target.dtype.element_ty
    tl.store(target, ((red.to(tl.float32) / area - 127.5) * 0.0078125).to(kind), mask=inside)
    tl.store(target + 1, ((green.to(tl.float32) / area - 127.5) * 0.0078125).to(kind), mask=inside)
    tl.store(target + 2, ((blue.to(tl.float32) / area - 127.5) * 0.0078125).to(kind), mask=inside)


@triton.jit
def _crop(pixels, corners, of_image, out, height, width, size, BLOCK: tl.constexpr):
    part = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size * size
    x1 = tl.load(corners + part * 4).to(tl.int32)
    y1 = tl.load(corners + part * 4 + 1).to(tl.int32)
    wide = tl.load(corners + part * 4 + 2).to(tl.int32) - x1
    high = tl.load(corners + part * 4 + 3).to(tl.int32) - y1
    i, j = at // size, at % size
    top, bottom = y1 + i * high // size, y1 + ((i + 1) * high + size - 1) // size
    left, right = x1 + j * wide // size, x1 + ((j + 1) * wide + size - 1) // size
    source = pixels + tl.load(of_image + part) * height * width
    red, green, blue = sums(source, width, top, bottom, left, right, inside)
    target = out + (part.to(tl.int64) * size * size + at) * 3
    _store_means(red, green, blue, (bottom - top) * (right - left), target, inside)


@triton.jit
def _rgb(pointers, out, size, BLOCK: tl.constexpr):
    image = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    start = tl.load(pointers + image).to(tl.pointer_type(tl.uint8)) + at * 3
    red = tl.load(start, mask=inside, other=0).to(tl.int32)
    green = tl.load(start + 1, mask=inside, other=0).to(tl.int32)
    blue = tl.load(start + 2, mask=inside, other=0).to(tl.int32)
    tl.store(out + image.to(tl.int64) * size + at, red | (green << 8) | (blue << 16), mask=inside)


@triton.jit
def _nv12(
    pointers, out, height, width, m00, m01, m02, m10, m11, m12, m20, m21, m22, o0, o1, o2,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    y = row % height
    start = tl.load(pointers + row // height).to(tl.pointer_type(tl.uint8))
    luma = tl.load(start + y * width + x, mask=inside, other=0).to(tl.float32)
    pair = start + (height + y // 2) * width + x // 2 * 2
    u = tl.load(pair, mask=inside, other=0).to(tl.float32)
    v = tl.load(pair + 1, mask=inside, other=0).to(tl.float32)
    r = luma * m00 + u * m10 + v * m20 + o0
    g = luma * m01 + u * m11 + v * m21 + o1
    b = luma * m02 + u * m12 + v * m22 + o2
    r = tl.minimum(tl.maximum(r + 0.5, 0.0), 255.0).to(tl.int32)
    g = tl.minimum(tl.maximum(g + 0.5, 0.0), 255.0).to(tl.int32)
    b = tl.minimum(tl.maximum(b + 0.5, 0.0), 255.0).to(tl.int32)
    tl.store(out + row.to(tl.int64) * width + x, r | (g << 8) | (b << 16), mask=inside)
