"""From decoded NV12 to RGB in one kernel."""

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
