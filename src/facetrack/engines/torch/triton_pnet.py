"""P-Net on a card in float32, three kernels a level: what it scores highest must not hang on
rounding.

Many windows of one face have scores within 1e-5 of each other, and which of them comes first
decides where the face's box ends up. So products are summed by the tensor cores in three TF32
parts each, which is as exact as float32, and as fast here as cuDNN's float16 convolutions, which
have no good kernel for so few channels.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.engines.torch.networks import Layers

PIXELS = 128
"""Outputs of one Triton program."""
TAPS = 9


class PnetWeights(NamedTuple):
    """Of the five convolutions, each ``(inputs, outputs)`` in powers of two, the rest zero."""

    first: Tensor
    """``(32, 16)``: 27 products, of 3 x 3 pixels and 3 colours."""
    second: Tensor
    """``(9, 16, 16)``."""
    third: Tensor
    """``(9, 16, 32)``."""
    heads: Tensor
    """``(32, 16)``: how much likelier a face than none, and the four offsets."""
    shifts: Tensor
    """``(4, 32)`` biases of the four layers."""
    slopes: Tensor
    """``(3, 32)``."""

    @classmethod
    def of(cls, net: Layers) -> "PnetWeights":
        def padded(x: Tensor, *shape: int) -> Tensor:
            whole = x.new_zeros(shape, dtype=torch.float32)
            whole[tuple(slice(n) for n in x.shape)] = x
            return whole

        def taps(name: str) -> Tensor:  # (outputs, inputs, 3, 3) to (9, inputs, outputs)
            return net[name].permute(2, 3, 1, 0).flatten(0, 1)

        first = taps("conv1.weight").flatten(0, 1)
        logits = net["conv4_1.weight"][..., 0, 0]
        heads = torch.cat([logits[1:] - logits[:1], net["conv4_2.weight"][..., 0, 0]])
        of_logits = net["conv4_1.bias"]
        of_heads = torch.cat([of_logits[1:] - of_logits[:1], net["conv4_2.bias"]])
        biases = [*(net[f"conv{i}.bias"] for i in (1, 2, 3)), of_heads]
        slopes = [net[f"prelu{i}.weight"].flatten() for i in (1, 2, 3)]
        return cls(
            padded(first, 32, 16),
            padded(taps("conv2.weight"), TAPS, 16, 16),
            padded(taps("conv3.weight"), TAPS, 16, 32),
            padded(heads.T, 32, 16),
            torch.stack([padded(b, 32) for b in biases]),
            torch.stack([padded(s, 32) for s in slopes]),
        )


def pnet_on_gpu(net: PnetWeights, level: Tensor) -> tuple[Tensor, Tensor]:
    """As ``networks.pnet`` for ``(n, 3, h, w)`` float32, channels last."""
    n, _, height, width = level.shape
    rows, columns = (-(-(size - 4) // 2) + 1 for size in (height, width))
    first = _new(level, n, rows, columns, 16)
    total = n * rows * columns
    _first[(triton.cdiv(total, PIXELS),)](
        level, first, net.first, net.shifts, net.slopes, total, height, width, rows, columns,
        PIXELS=PIXELS,
    )  # fmt: skip
    rows, columns = rows - 2, columns - 2
    second = _new(level, n, rows, columns, 16)
    total = n * rows * columns
    _second[(triton.cdiv(total, PIXELS),)](
        first, second, net.second, net.shifts, net.slopes, total, rows, columns, PIXELS=PIXELS
    )
    rows, columns = rows - 2, columns - 2
    offsets, scores = _new(level, n, 4, rows, columns), _new(level, n, rows, columns)
    total = n * rows * columns
    _third[(triton.cdiv(total, PIXELS),)](
        second, offsets, scores, net.third, net.heads, net.shifts, net.slopes,
        total, rows, columns, PIXELS=PIXELS,
    )  # fmt: skip
    return offsets, scores


def _new(like: Tensor, *shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device=like.device)


@triton.jit
def _activated(x, shifts, slopes, layer: tl.constexpr, channel):
    x += tl.load(shifts + layer * 32 + channel)[None, :]
    return tl.where(x > 0, x, x * tl.load(slopes + layer * 32 + channel)[None, :])


@triton.jit
def _first(
    level, out, weights, shifts, slopes, total, height, width, rows, columns, PIXELS: tl.constexpr
):
    """3 x 3 from three colours to ten channels, and the largest of 2 x 2 of them."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    column, row = pixel % columns, pixel // columns % rows
    picture = (pixel // (columns * rows)).to(tl.int64)
    product, channel = tl.arange(0, 32), tl.arange(0, 16)
    tap, colour = product // 3, product % 3
    weight = tl.load(weights + product[:, None] * 16 + channel[None, :])
    best = tl.full((PIXELS, 16), float("-inf"), tl.float32)
    for corner in tl.static_range(4):
        y, x = row * 2 + corner // 2, column * 2 + corner % 2
        there = (pixel < total) & (y < height - 2) & (x < width - 2)
        source = level + ((picture * height + y) * width + x) * 3
        step = (tap // 3 * width + tap % 3) * 3 + colour
        near = there[:, None] & (product < 27)[None, :]
        seen = tl.load(source[:, None] + step[None, :], mask=near, other=0.0)
        found = tl.dot(seen, weight, input_precision="tf32x3")
        found = _activated(found, shifts, slopes, 0, channel)
        best = tl.where(there[:, None], tl.maximum(best, found), best)
    target = out + pixel.to(tl.int64)[:, None] * 16 + channel[None, :]
    tl.store(target, best, mask=(pixel < total)[:, None])


@triton.jit
def _taps(source, weights, pixel, total, rows, columns, OUT: tl.constexpr, PIXELS: tl.constexpr):
    """3 x 3 of sixteen channels; ``rows`` and ``columns`` of what comes out."""
    column, row = pixel % columns, pixel // columns % rows
    picture = (pixel // (columns * rows)).to(tl.int64)
    wide = columns + 2
    corner = source + ((picture * (rows + 2) + row) * wide + column) * 16
    channel, made = tl.arange(0, 16), tl.arange(0, OUT)
    found = tl.zeros((PIXELS, OUT), tl.float32)
    for tap in tl.static_range(9):
        step = (tap // 3 * wide + tap % 3) * 16
        at = corner[:, None] + step + channel[None, :]
        seen = tl.load(at, mask=(pixel < total)[:, None], other=0.0)
        weight = tl.load(weights + tap * 16 * OUT + channel[:, None] * OUT + made[None, :])
        found = tl.dot(seen, weight, found, input_precision="tf32x3")
    return found


@triton.jit
def _second(source, out, weights, shifts, slopes, total, rows, columns, PIXELS: tl.constexpr):
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.arange(0, 16)
    found = _taps(source, weights, pixel, total, rows, columns, 16, PIXELS)
    found = _activated(found, shifts, slopes, 1, channel)
    target = out + pixel.to(tl.int64)[:, None] * 16 + channel[None, :]
    tl.store(target, found, mask=(pixel < total)[:, None])


@triton.jit
def _third(
    source, offsets, scores, weights, heads, shifts, slopes, total, rows, columns,
    PIXELS: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    wide, made = tl.arange(0, 32), tl.arange(0, 16)
    found = _taps(source, weights, pixel, total, rows, columns, 32, PIXELS)
    found = _activated(found, shifts, slopes, 2, wide)
    head = tl.load(heads + wide[:, None] * 16 + made[None, :])
    found = tl.dot(found, head, input_precision="tf32x3") + tl.load(shifts + 96 + made)[None, :]
    likelier = tl.sum(tl.where(made[None, :] == 0, found, 0.0), 1)
    small = tl.exp(-tl.abs(likelier))
    score = tl.where(likelier > 0, 1.0, small) / (1.0 + small)  # as softmax rounds it
    tl.store(scores + pixel, score, mask=pixel < total)
    cells = rows * columns
    picture, cell = pixel // cells, pixel % cells
    target = offsets + (picture.to(tl.int64) * 4 * cells + cell)[:, None]
    is_offset = (made >= 1) & (made < 5)
    target += tl.where(is_offset, made - 1, 0)[None, :] * cells
    tl.store(target, found, mask=(pixel < total)[:, None] & is_offset[None, :])
