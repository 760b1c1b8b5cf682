"""YuNet's layers as Triton kernels.

A unit is a pointwise convolution and a depthwise one, with nothing between them. Together they are
one 3 x 3 convolution. Tensor cores do that one faster than the two, which move much memory and
compute little.

Beyond the frame's edge the depthwise convolution sees zeros, not the pointwise convolution's bias.
So each of the nine taps adds its own bias, where it is inside the frame.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.cuda.layers import Layers

TILE = 64
"""Pixels of one Triton program."""
WARPS = 4
STAGES = 3
"""Taps that are loaded from memory at a time."""


class Unit(NamedTuple):
    """Weights of a unit, or of several units on the same input, whose outputs are concatenated."""

    weight: Tensor
    """``(9, channels, outputs)`` float16."""
    of_taps: Tensor
    """``(9, outputs)`` float32, the bias of each tap."""
    shift: Tensor
    """``(outputs,)`` float32, the bias of the depthwise convolution."""

    @classmethod
    def of(cls, net: Layers, *names: str) -> "Unit":
        """``net``: arrays in float32; ``names``: of the units."""

        def joined(of_name: str) -> Tensor:
            return torch.cat([net[f"{name}.{of_name}"] for name in names])

        taps = joined("dw.weight").permute(2, 3, 1, 0).reshape(9, 1, -1)
        pointwise = joined("pw.weight")[:, :, 0, 0].T
        return cls(
            (taps * pointwise).half().contiguous(),
            (taps[:, 0] * joined("pw.bias")).contiguous(),
            joined("dw.bias"),
        )


def stem_taps(weight: Tensor) -> Tensor:
    """The first layer's weights ``(outputs, 3, 3, 3)``, BGR, to ``(3, 16, outputs)`` float16:
    kernel row, byte of four packed pixels (the fourth pixel has weight 0), output."""
    outputs = len(weight)
    taps = weight.new_zeros(3, 4, 4, outputs)
    taps[:, :3, :3] = weight.flip(1).permute(2, 3, 1, 0)
    return taps.view(3, 16, outputs).half()


def stem(pixels: Tensor, taps: Tensor, shift: Tensor) -> Tensor:
    """The first layer: 3 x 3 with a stride of 2 and ReLU.

    ``(n, h, w)`` int32 packed pixels to ``(n, h / 2, w / 2, outputs)`` float16.
    """
    n, height, width = pixels.shape
    outputs = taps.shape[2]
    out = torch.empty(
        (n, height // 2, width // 2, outputs), dtype=torch.float16, device=pixels.device
    )
    count = out.numel() // outputs
    _stem[(triton.cdiv(count, TILE),)](
        pixels.view(torch.uint8), out, taps, shift, count, height, width, OUT=outputs, TILE=TILE
    )
    return out


def unit(x: Tensor, layer: Unit, above: Tensor | None = None, pool: bool = False) -> Tensor:
    """A unit and ReLU: ``(n, h, w, channels)`` float16 to ``(n, h, w, outputs)`` float16.

    Args:
        x: the input.
        layer: the weights.
        above: ``(n, h / 2, w / 2, channels)``, doubled in size and added to ``x`` first.
        pool: whether 2 x 2 max pooling follows.
    """
    n, height, width, _ = x.shape
    step = 2 if pool else 1
    shape = (n, height // step, width // step, layer.weight.shape[2])
    out = torch.empty(shape, dtype=torch.float16, device=x.device)
    _run(x, layer, above, out, out[0].numel(), pool=pool, relu=True)
    return out


def heads(features: Sequence[Tensor], layers: Sequence[Unit]) -> Tensor:
    """The heads: feature maps ``(n, h, w, channels)`` to ``(n, cells, outputs)`` float32, no
    ReLU."""
    cells = [x.shape[1] * x.shape[2] for x in features]
    n, outputs = len(features[0]), layers[0].weight.shape[2]
    shape = (n, sum(cells), outputs)
    out = torch.empty(shape, dtype=torch.float32, device=features[0].device)
    first = 0
    for x, layer, count in zip(features, layers, cells, strict=True):
        _run(x, layer, None, out[:, first:], sum(cells) * outputs, pool=False, relu=False)
        first += count
    return out


def _run(
    x: Tensor, layer: Unit, above: Tensor | None, out: Tensor, stride: int, pool: bool, relu: bool
) -> None:
    """``stride``: number of elements of ``out`` from one image to the next."""
    n, height, width, channels = x.shape
    outputs = layer.weight.shape[2]
    count = n * (height // 2) * (width // 2) * 4 if pool else n * height * width
    _unit[(triton.cdiv(count, TILE),)](
        x, x if above is None else above, out, *layer, count, height, width, stride,
        C=channels, OUT=outputs, TILE=TILE, POOL=pool, RELU=relu, ADD=above is not None,
        STAGES=STAGES, num_warps=WARPS,
    )  # fmt: skip


@triton.jit
def _stem(pixels, out, taps, shift, count, height, width, OUT: tl.constexpr, TILE: tl.constexpr):
    at = tl.program_id(0) * TILE + tl.arange(0, TILE)
    real = at < count
    columns = width // 2
    line = at // columns
    left = (at - line * columns) * 2 - 1
    rows = height // 2
    top = line % rows * 2 - 1
    image = (line // rows).to(tl.int64)
    product, made = tl.arange(0, 16), tl.arange(0, OUT)
    across = left[:, None] + product[None, :] // 4
    inside = real[:, None] & (across >= 0) & (across < width)
    sums = tl.zeros((TILE, OUT), tl.float32)
    for dy in tl.static_range(3):
        y = top + dy
        start = ((image * height + y) * width + left) * 4
        there = inside & ((y >= 0) & (y < height))[:, None]
        values = tl.load(pixels + start[:, None] + product[None, :], mask=there, other=0)
        weight = tl.load(taps + (dy * 16 + product)[:, None] * OUT + made[None, :])
        sums = tl.dot(values.to(tl.float16), weight, sums)
    sums = tl.maximum(sums + tl.load(shift + made)[None, :], 0.0)
    target = out + at.to(tl.int64)[:, None] * OUT + made[None, :]
    tl.store(target, sums.to(tl.float16), mask=real[:, None])


@triton.jit
def _unit(
    x, above, out, weight, of_taps, shift, count, height, width, stride,
    C: tl.constexpr, OUT: tl.constexpr, TILE: tl.constexpr,
    POOL: tl.constexpr, RELU: tl.constexpr, ADD: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * TILE + tl.arange(0, TILE)
    real = at < count
    if POOL:  # four consecutive pixels are pooled
        rows, columns = height // 2, width // 2
        cell = at // 4
        line = cell // columns
        row = line % rows * 2 + at % 4 // 2
        column = (cell - line * columns) * 2 + at % 2
    else:
        rows, columns = height, width
        line = at // columns
        row = line % rows
        column = at - line * columns
    image = (line // rows).to(tl.int64)
    channel, made = tl.arange(0, C), tl.arange(0, OUT)
    sums = tl.zeros((TILE, OUT), tl.float32)
    for tap in tl.range(9, num_stages=STAGES):
        y, across = row + tap // 3 - 1, column + tap % 3 - 1
        there = real & (y >= 0) & (y < height) & (across >= 0) & (across < width)
        source = x + ((image * height + y) * width + across)[:, None] * C + channel[None, :]
        values = tl.load(source, mask=there[:, None], other=0.0)
        if ADD:
            source = above + (
                ((image * (height // 2) + y // 2) * (width // 2) + across // 2)[:, None] * C
                + channel[None, :]
            )
            values += tl.load(source, mask=there[:, None], other=0.0)
        factor = tl.load(weight + (tap * C + channel)[:, None] * OUT + made[None, :])
        sums = tl.dot(values, factor, sums)
        of_tap = tl.load(of_taps + tap * OUT + made)
        sums += tl.where(there[:, None], of_tap[None, :], 0.0)
    sums += tl.load(shift + made)[None, :]
    if RELU:
        sums = tl.maximum(sums, 0.0)
    if POOL:
        sums = tl.max(tl.reshape(sums, (TILE // 4, 4, OUT)), 1)
        at = tl.program_id(0) * (TILE // 4) + tl.arange(0, TILE // 4)
        real = at < count // 4
        image = (at // (rows * columns)).to(tl.int64)
    place = image * stride + (at - image * (rows * columns)) * OUT
    target = out + place[:, None] + made[None, :]
    tl.store(target, sums.to(out.dtype.element_ty), mask=real[:, None])
