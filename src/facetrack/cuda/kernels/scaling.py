"""Frames on a GPU, scaled down and padded with black below and on the right, as packed pixels
(``cuda.kernels.pixels``)."""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256
"""Pixels of one Triton program."""


def nv12_scaled(
    pointers: Tensor,
    shape: tuple[int, int],
    scaled: tuple[int, int],
    padded: tuple[int, int],
    matrix: tuple[float, ...],
) -> Tensor:
    """NV12 frames to ``(b, *padded)`` int32 packed pixels.

    Each pixel is an area mean that is then converted to RGB, as on the host.

    Args:
        pointers: ``(b,)`` int64 addresses of the frames.
        shape: height and width of the frames.
        scaled: height and width after scaling.
        padded: height and width after padding.
        matrix: to RGB, see ``gpu_frame.colour_arguments``.
    """
    out = torch.empty((len(pointers), *padded), dtype=torch.int32, device=pointers.device)
    grid = (len(pointers) * padded[0], triton.cdiv(padded[1], BLOCK))
    _nv12[grid](pointers, out, *shape, *scaled, *padded, *matrix, BLOCK=BLOCK)
    return out


def rgb_padded(pointers: Tensor, shape: tuple[int, int], padded: tuple[int, int]) -> Tensor:
    """RGB frames ``(*shape, 3)`` uint8 at ``pointers`` to ``(b, *padded)`` int32 packed pixels."""
    out = torch.empty((len(pointers), *padded), dtype=torch.int32, device=pointers.device)
    grid = (len(pointers) * padded[0], triton.cdiv(padded[1], BLOCK))
    _rgb[grid](pointers, out, *shape, *padded, BLOCK=BLOCK)
    return out


@triton.jit
def _byte(value):
    return tl.minimum(tl.maximum(value + 0.5, 0.0), 255.0).to(tl.int32)


@triton.jit
def _nv12(
    pointers, out, height, width, rows, columns, all_rows, all_columns,
    m00, m01, m02, m10, m11, m12, m20, m21, m22, o0, o1, o2, BLOCK: tl.constexpr,
):  # fmt: skip
    line = tl.program_id(0)
    i = line % all_rows
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    frame = tl.load(pointers + line // all_rows).to(tl.pointer_type(tl.uint8))
    inside = (i < rows) & (j < columns)
    top, bottom = i * height // rows, ((i + 1) * height + rows - 1) // rows
    left, right = j * width // columns, ((j + 1) * width + columns - 1) // columns
    luma = tl.zeros((BLOCK,), tl.int32)
    u = tl.zeros((BLOCK,), tl.int32)
    v = tl.zeros((BLOCK,), tl.int32)
    high = tl.where(i < rows, bottom - top, 0)
    wide = tl.max(tl.where(inside, right - left, 0), 0)
    for dy in range(high):
        y = top + dy
        for dx in range(wide):
            x = left + dx
            there = inside & (x < right)
            luma += tl.load(frame + y * width + x, mask=there, other=0).to(tl.int32)
            pair = frame + (height + y // 2) * width + x // 2 * 2
            u += tl.load(pair, mask=there, other=0).to(tl.int32)
            v += tl.load(pair + 1, mask=there, other=0).to(tl.int32)
    area = tl.maximum(high * (right - left), 1).to(tl.float32)
    a, b, c = luma.to(tl.float32) / area, u.to(tl.float32) / area, v.to(tl.float32) / area
    red = _byte(a * m00 + b * m10 + c * m20 + o0)
    green = _byte(a * m01 + b * m11 + c * m21 + o1)
    blue = _byte(a * m02 + b * m12 + c * m22 + o2)
    packed = tl.where(inside, red | (green << 8) | (blue << 16), 0)
    tl.store(out + line.to(tl.int64) * all_columns + j, packed, mask=j < all_columns)


@triton.jit
def _rgb(pointers, out, rows, columns, all_rows, all_columns, BLOCK: tl.constexpr):
    line = tl.program_id(0)
    i = line % all_rows
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image = tl.load(pointers + line // all_rows).to(tl.pointer_type(tl.uint8))
    inside = (i < rows) & (j < columns)
    start = image + (i * columns + j) * 3
    red = tl.load(start, mask=inside, other=0).to(tl.int32)
    green = tl.load(start + 1, mask=inside, other=0).to(tl.int32)
    blue = tl.load(start + 2, mask=inside, other=0).to(tl.int32)
    packed = red | (green << 8) | (blue << 16)
    tl.store(out + line.to(tl.int64) * all_columns + j, packed, mask=j < all_columns)
