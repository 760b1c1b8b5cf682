"""The first layer of R-Net and O-Net in one kernel: crops to pooled channels.

The layer is a 3 x 3 convolution from three colours, bias, PReLU, and 3 x 3 max pooling with a
stride of 2. The convolution's output, which is large and of which pooling reads three quarters
twice, is never written to memory.

A pooled pixel depends on 5 x 5 pixels of the crop. Five pixels of three colours are fifteen numbers
next to each other in memory, and a tensor core takes sixteen at a time. So the kernel loads each
row of the 5 x 5 patch once and multiplies it with three sets of weights, one for each of the three
convolution outputs next to each other; weights are zero outside of an output's window.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 64
"""Pooled pixels of one Triton program."""
WARPS = 4
CHANNELS = 32
"""Number of output channels. Those beyond the layer's own are 0: cuDNN is faster with a multiple of
eight in the next convolution."""


def taps_of(weight: Tensor) -> Tensor:
    """Weights ``(channels, 3, 3, 3)`` to ``(3, 3, 16, 32)``: row of the convolution's window, which
    of the three outputs, number in the patch's row, channel."""
    taps = weight.new_zeros(3, 3, 16, CHANNELS)
    for neighbour in range(3):  # its window starts at pixel number ``neighbour``
        of_row = weight.permute(2, 3, 1, 0).flatten(1, 2)
        taps[:, neighbour, 3 * neighbour : 3 * neighbour + 9, : len(weight)] = of_row
    return taps


def first_layer(x: Tensor, taps: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
    """``(n, 3, size, size)`` float16, channels last, to ``(n, 32, size / 2 - 1, size / 2 - 1)``.

    Args:
        x: the crops; ``size`` is even.
        taps: the weights, see ``taps_of``.
        bias: one for each channel of the layer.
        slope: of the PReLU below zero, one for each channel of the layer.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    n, _, size, _ = x.shape
    side = size // 2 - 1
    out = torch.empty(
        (n, CHANNELS, side, side), dtype=x.dtype, device=x.device,
        memory_format=torch.channels_last,
    )  # fmt: skip
    _first[(triton.cdiv(n * side * side, TILE),)](
        x, out, taps, bias, slope, n * side * side,
        SIZE=size, C=len(bias), CHANNELS=CHANNELS, TILE=TILE, num_warps=WARPS,
    )  # fmt: skip
    return out


@triton.jit
def _patch_row(source, start, SIZE: tl.constexpr):
    """``(TILE, 16)``: five pixels of each crop from ``start`` on; 0 beyond the crop's end."""
    number = start[:, None] + tl.arange(0, 16)[None, :]
    return tl.load(source[:, None] + number, mask=number < SIZE * SIZE * 3, other=0.0)


@triton.jit
def _neighbour(top, middle, bottom, taps, WHICH: tl.constexpr, CHANNELS: tl.constexpr):
    """``(TILE, CHANNELS)`` convolution output number ``WHICH`` of three next to each other."""
    at = tl.arange(0, 16)[:, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    at += WHICH * 16 * CHANNELS
    sums = tl.dot(top, tl.load(taps + at))
    sums = tl.dot(middle, tl.load(taps + at + 48 * CHANNELS), sums)
    return tl.dot(bottom, tl.load(taps + at + 96 * CHANNELS), sums)


@triton.jit
def _extremes(top, middle, bottom, taps, last, CHANNELS: tl.constexpr):
    """The largest and the smallest of three outputs next to each other; of two where ``last``."""
    a = _neighbour(top, middle, bottom, taps, 0, CHANNELS)
    b = _neighbour(top, middle, bottom, taps, 1, CHANNELS)
    c = _neighbour(top, middle, bottom, taps, 2, CHANNELS)
    c = tl.where(last, b, c)
    return tl.maximum(tl.maximum(a, b), c), tl.minimum(tl.minimum(a, b), c)


@triton.jit
def _activated(most, least, bias, slope, C: tl.constexpr, CHANNELS: tl.constexpr):
    """The largest PReLU output. PReLU is monotonic on either side of 0, so it is largest at the
    largest or at the smallest input."""
    channel = tl.arange(0, CHANNELS)[None, :]
    shift = tl.load(bias + channel, mask=channel < C, other=0.0).to(tl.float32)
    factor = tl.load(slope + channel, mask=channel < C, other=0.0).to(tl.float32)
    most += shift
    least += shift
    most = tl.where(most > 0, most, most * factor)
    return tl.maximum(most, tl.where(least > 0, least, least * factor))


@triton.jit
def _first(
    x, out, taps, bias, slope, outputs,
    SIZE: tl.constexpr, C: tl.constexpr, CHANNELS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    SIDE: tl.constexpr = SIZE // 2 - 1
    ROW: tl.constexpr = SIZE * 3
    pixel = tl.program_id(0) * TILE + tl.arange(0, TILE)
    inside = pixel < outputs
    pixel = tl.minimum(pixel, outputs - 1)
    column, row = pixel % SIDE, pixel // SIDE % SIDE
    source = x + (pixel // (SIDE * SIDE)).to(tl.int64) * (SIZE * ROW)
    start = row * (2 * ROW) + column * 6
    r0 = _patch_row(source, start, SIZE)
    r1 = _patch_row(source, start + ROW, SIZE)
    r2 = _patch_row(source, start + 2 * ROW, SIZE)
    r3 = _patch_row(source, start + 3 * ROW, SIZE)
    r4 = _patch_row(source, start + 4 * ROW, SIZE)
    # The last windows reach one beyond the convolution's output and have two columns or rows only.
    last = (column == SIDE - 1)[:, None]
    most, least = _extremes(r0, r1, r2, taps, last, CHANNELS)
    more, less = _extremes(r1, r2, r3, taps, last, CHANNELS)
    most, least = tl.maximum(most, more), tl.minimum(least, less)
    more, less = _extremes(r2, r3, r4, taps, last, CHANNELS)
    last = (row == SIDE - 1)[:, None]
    most = tl.where(last, most, tl.maximum(most, more))
    least = tl.where(last, least, tl.minimum(least, less))
    best = _activated(most, least, bias, slope, C, CHANNELS)
    target = out + pixel.to(tl.int64)[:, None] * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    tl.store(target, best.to(tl.float16), mask=inside[:, None])
