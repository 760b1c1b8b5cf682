"""Bias, PReLU and max pooling after a convolution, in one kernel that reads each pixel once."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def activated(x: Tensor, bias: Tensor, slope: Tensor, pool: int) -> Tensor:
    """``(n, c, h, w)`` convolution outputs to ``(n, c, h', w')``, channels last.

    Args:
        x: the outputs of the convolution without its bias.
        bias: ``(c,)``.
        slope: ``(c,)`` of the PReLU below zero.
        pool: 1 for no pooling; 2 or 3 for max pooling with a stride of 2, in which the last window
            may reach past the edge.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    n, c, height, width = x.shape
    stride = 1 if pool == 1 else 2
    rows, columns = (-(-(size - pool) // stride) + 1 for size in (height, width))
    out = torch.empty(
        (n, c, rows, columns), dtype=x.dtype, device=x.device, memory_format=torch.channels_last
    )
    channels = triton.next_power_of_2(c)
    pixels = 4096 // channels
    _activate[(triton.cdiv(n * rows * columns, pixels),)](
        x, bias, slope, out, n * rows * columns, height, width, rows, columns,
        C=c, CHANNELS=channels, PIXELS=pixels, POOL=pool, STRIDE=stride,
    )  # fmt: skip
    return out


@triton.jit
def _activate(
    x, bias, slope, out, total, height, width, rows, columns,
    C: tl.constexpr, CHANNELS: tl.constexpr, PIXELS: tl.constexpr,
    POOL: tl.constexpr, STRIDE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.arange(0, CHANNELS)[None, :]
    real = channel < C
    inside = pixel < total
    column = pixel % columns
    row = pixel // columns % rows
    image = (pixel // (columns * rows)).to(tl.int64)
    corner = ((image * height + row * STRIDE) * width + column * STRIDE) * C
    shift = tl.load(bias + channel, mask=real, other=0.0).to(tl.float32)
    factor = tl.load(slope + channel, mask=real, other=0.0).to(tl.float32)
    best = tl.full((PIXELS, CHANNELS), float("-inf"), tl.float32)
    for dy in tl.static_range(POOL):
        for dx in tl.static_range(POOL):
            there = inside & (row * STRIDE + dy < height) & (column * STRIDE + dx < width)
            source = x + corner[:, None] + (dy * width + dx) * C + channel
            value = tl.load(source, mask=there[:, None] & real, other=0.0).to(tl.float32) + shift
            value = tl.where(value > 0, value, value * factor)
            best = tl.where(there[:, None], tl.maximum(best, value), best)
    target = out + pixel.to(tl.int64)[:, None] * C + channel
    tl.store(target, best.to(out.dtype.element_ty), mask=inside[:, None] & real)
