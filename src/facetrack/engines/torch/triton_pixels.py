"""From decoded NV12 to RGB, and from integral images to what the networks see: a kernel each."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def nv12_to_rgb(nv12: Tensor, matrix: tuple[float, ...]) -> Tensor:
    """``(b, height * 3 / 2, width)`` to ``(b, height, width, 3)`` uint8.

    ``matrix``: nine numbers row by row and three offsets, as ``card_picture.colour_arguments``.
    Chroma is repeated to the luma's pixels.
    """
    b, rows, width = nv12.shape
    height = rows * 2 // 3
    rgb = torch.empty((b, height, width, 3), dtype=torch.uint8, device=nv12.device)
    grid = (b * height, triton.cdiv(width, 1024))
    _to_rgb[grid](nv12, rgb, height, width, *matrix, BLOCK=1024)
    return rgb


def means_of_whole(sums: Tensor, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """As ``pixels.level``, channels last."""
    b = sums.shape[0]
    corners = torch.zeros((b, 4), dtype=torch.int64, device=sums.device)
    corners[:, 2] = sums.shape[2] - 1
    corners[:, 3] = sums.shape[1] - 1
    of_picture = torch.arange(b, device=sums.device)
    return _means(sums, corners, of_picture, height, width, dtype)


def means_of_parts(
    sums: Tensor, corners: Tensor, of_picture: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """As ``pixels.crops``, channels last."""
    return _means(sums, corners.contiguous(), of_picture, size, size, dtype)


def _means(
    sums: Tensor, corners: Tensor, of_picture: Tensor, height: int, width: int, dtype: torch.dtype
) -> Tensor:
    n = len(corners)
    out = torch.empty(
        (n, 3, height, width), dtype=dtype, device=sums.device, memory_format=torch.channels_last
    )
    block = min(1024, triton.next_power_of_2(height * width))
    grid = (n, triton.cdiv(height * width, block))
    _mean[grid](
        sums, corners, of_picture, out, sums.shape[1], sums.shape[2], height, width, BLOCK=block
    )
    return out


@triton.jit
def _mean(sums, corners, of_picture, out, rows, columns, height, width, BLOCK: tl.constexpr):
    part = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < height * width
    x1 = tl.load(corners + part * 4).to(tl.int32)
    y1 = tl.load(corners + part * 4 + 1).to(tl.int32)
    wide = tl.load(corners + part * 4 + 2).to(tl.int32) - x1
    high = tl.load(corners + part * 4 + 3).to(tl.int32) - y1
    i, j = at // width, at % width
    top, bottom = y1 + i * high // height, y1 + ((i + 1) * high + height - 1) // height
    left, right = x1 + j * wide // width, x1 + ((j + 1) * wide + width - 1) // width
    table = sums + tl.load(of_picture + part) * rows * columns * 3
    above, below = top * columns, bottom * columns
    area = tl.maximum((bottom - top) * (right - left), 1).to(tl.float32)
    target = out + (part.to(tl.int64) * height * width + at) * 3
    for c in tl.static_range(3):
        total = tl.load(table + (below + right) * 3 + c, mask=inside, other=0)
        total -= tl.load(table + (below + left) * 3 + c, mask=inside, other=0)
        total -= tl.load(table + (above + right) * 3 + c, mask=inside, other=0)
        total += tl.load(table + (above + left) * 3 + c, mask=inside, other=0)
        value = (total.to(tl.float32) / area - 127.5) * 0.0078125
        tl.store(target + c, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _to_rgb(
    nv12, rgb, height, width, m00, m01, m02, m10, m11, m12, m20, m21, m22, o0, o1, o2,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    picture, y = row // height, row % height
    start = nv12 + picture.to(tl.int64) * (height * 3 // 2) * width
    luma = tl.load(start + y * width + x, mask=inside, other=0).to(tl.float32)
    pair = start + (height + y // 2) * width + x // 2 * 2
    u = tl.load(pair, mask=inside, other=0).to(tl.float32)
    v = tl.load(pair + 1, mask=inside, other=0).to(tl.float32)
    out = rgb + (row.to(tl.int64) * width + x) * 3
    r = luma * m00 + u * m10 + v * m20 + o0
    g = luma * m01 + u * m11 + v * m21 + o1
    b = luma * m02 + u * m12 + v * m22 + o2
    r = tl.minimum(tl.maximum(r + 0.5, 0.0), 255.0)
    g = tl.minimum(tl.maximum(g + 0.5, 0.0), 255.0)
    b = tl.minimum(tl.maximum(b + 0.5, 0.0), 255.0)
    tl.store(out, r.to(tl.uint8), mask=inside)
    tl.store(out + 1, g.to(tl.uint8), mask=inside)
    tl.store(out + 2, b.to(tl.uint8), mask=inside)
