"""P-Net as Triton kernels, as exact as float32.

Exactness matters: many windows of one face have scores within 1e-5 of each other, and the best one
decides where the face's box ends up. So every number is stored as two float16 parts: the number
rounded to float16, and the remainder. Together they have 22 bits and take the memory of one
float32. Tensor cores multiply them twice as fast as TF32. Weights have two parts as well; both
parts of the input are multiplied with both parts of the weight, and the four products are summed in
float32.

All layers of a level use one grid, that of the first layer's outputs, frame after frame. So each
tap of a convolution is at the same distance in memory for every pixel. The last columns and rows of
a frame are computed from pixels of the next row or frame; nothing reads them. One launch computes a
layer of all levels.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.cuda.kernels.pixels import level_of, number, table_on
from facetrack.cuda.kernels.pyramid import Pyramid, pyramid
from facetrack.cuda.layers import Layers

TILE = 128
"""Pixels of one Triton program."""
WARPS = 4
PIXELS = 96 << 20
"""Maximum number of pixels of all levels of the frames in one run, 48 bytes each. It is enough for
128 frames of 1080p with a smallest face of 30 pixels, which take a fifth longer in four runs."""
GAIN = tl.constexpr(256)
"""Factor of the weights, so that no second part is too small for float16."""


class PnetWeights(NamedTuple):
    """Weights of the convolutions, ``(products, 2 x outputs)`` float16: the first parts, then the
    second parts. Rows are repeated for the first and second parts of the input; padding is zero."""

    first: Tensor
    """``(4 x 4 x 2 x 4, 2 x 4 x 16)``: pixels, parts and colours of a 4 x 4 patch, to the channels
    of the four convolution outputs in it."""
    second: Tensor
    """``(9 x 2 x 16, 2 x 16)``."""
    third: Tensor
    """``(9 x 2 x 16, 2 x 32)``."""
    heads: Tensor
    """``(32, 2 x 16)``: logit of a face minus logit of none, and the four offsets."""
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

        def taps(name: str, *shape: int) -> Tensor:  # (outputs, inputs, 3, 3) to (3, 3, in, out)
            return padded(net[name].permute(2, 3, 1, 0), 3, 3, *shape)

        def parts(x: Tensor) -> Tensor:
            x = x * GAIN.value
            high = x.half()
            return torch.cat([high, (x - high.float()).half()], -1)

        def for_both_parts(x: Tensor) -> Tensor:  # (..., in, out) to (products, out)
            return torch.stack([x, x], -3).flatten(0, -2)

        colours = taps("conv1.weight", 4, 16)
        first = colours.new_zeros(4, 4, 4, 4, 16)  # y, x, colour, corner, channel
        for corner in range(4):
            y, x = divmod(corner, 2)
            first[y : y + 3, x : x + 3, :, corner] = colours
        logits = net["conv4_1.weight"][..., 0, 0]
        heads = torch.cat([logits[1:] - logits[:1], net["conv4_2.weight"][..., 0, 0]])
        of_logits = net["conv4_1.bias"]
        of_heads = torch.cat([of_logits[1:] - of_logits[:1], net["conv4_2.bias"]])
        biases = [*(net[f"conv{i}.bias"] for i in (1, 2, 3)), of_heads]
        slopes = [net[f"prelu{i}.weight"].flatten() for i in (1, 2, 3)]
        return cls(
            parts(for_both_parts(first.flatten(-2))),
            parts(for_both_parts(taps("conv2.weight", 16, 16))),
            parts(for_both_parts(taps("conv3.weight", 16, 32))),
            parts(padded(heads.T, 32, 16)),
            torch.stack([padded(b, 32) for b in biases]),
            torch.stack([padded(s, 32) for s in slopes]),
        )


def pnet_on_gpu(
    net: PnetWeights, pixels: Tensor, sizes: Sequence[tuple[int, int]]
) -> list[tuple[Tensor, Tensor]]:
    """``networks.pnet`` of the pyramid levels of frames.

    Args:
        net: the weights.
        pixels: ``(n, height, width)`` int32 packed pixels, see ``cuda.kernels.pixels``.
        sizes: height and width of each level.
    """
    n = len(pixels)
    shapes = [((h - 1) // 2 - 4, (w - 1) // 2 - 4) for h, w in sizes]
    cells = [n * prod(shape) for shape in shapes]
    offsets, scores = (net.shifts.new_empty(sum(cells) * numbers) for numbers in (4, 1))
    starts = list(accumulate(cells, initial=0))
    done = 0
    for some in pixels.chunk(-(-n * sum(map(prod, sizes)) // PIXELS)):
        _run(net, pyramid(some, sizes), starts, offsets, scores, done)
        done += len(some)
    return [
        (of_level.view(n, 4, *shape), level_scores.view(n, *shape))
        for of_level, level_scores, shape in zip(
            offsets.split([4 * c for c in cells]), scores.split(cells), shapes, strict=True
        )
    ]


def _run(
    net: PnetWeights,
    some: Pyramid,
    starts: Sequence[int],
    offsets: Tensor,
    scores: Tensor,
    done: int,
) -> None:
    """P-Net on ``some`` frames of the batch, from its frame number ``done`` on."""
    n = some.images
    grids = [((h - 1) // 2, (w - 1) // 2) for h, w in some.sizes]
    tiles = [triton.cdiv(n * rows * columns, TILE) for rows, columns in grids]
    first_tile = list(accumulate(tiles, initial=0))
    rows_of_table = tuple(
        (first_tile[i], *some.sizes[i], *grids[i], some.starts[i], starts[i])
        for i in range(len(grids))
    )
    table = table_on(rows_of_table, some.parts.device)
    beyond = 2 * max(columns for _, columns in grids) + 2
    first, second = (some.parts.new_empty(first_tile[-1] * TILE + beyond, 2, 16) for _ in range(2))
    programs = (first_tile[-1],)
    about = (net.shifts, net.slopes, table, n)
    sizes = {"LEVELS": len(grids), "TILE": TILE, "num_warps": WARPS}
    _first[programs](some.parts, first, net.first, *about, **sizes)
    _second[programs](first, second, net.second, *about, **sizes)
    _third[programs](second, offsets, scores, net.third, net.heads, *about, done, **sizes)


@triton.jit
def _activated(sums, shifts, slopes, LAYER: tl.constexpr, TILE: tl.constexpr, OUT: tl.constexpr):
    """Bias and PReLU: ``(TILE, 2 x OUT)`` sums for both parts of the weights to ``(TILE, OUT)``."""
    channel = tl.arange(0, OUT)
    x = tl.sum(tl.reshape(sums, (TILE, 2, OUT)), 1) * (1 / GAIN)
    x += tl.load(shifts + LAYER * 32 + channel)[None, :]
    return tl.where(x > 0, x, x * tl.load(slopes + LAYER * 32 + channel)[None, :])


@triton.jit
def _store_parts(x, out, tile, TILE: tl.constexpr):
    at = tl.arange(0, TILE)[:, None] * 32 + tl.arange(0, 16)[None, :]
    target = out + tile.to(tl.int64) * (TILE * 32)
    high = x.to(tl.float16)
    tl.store(target + at, high)
    tl.store(target + at + 16, (x - high.to(tl.float32)).to(tl.float16))


@triton.jit(do_not_specialize=["n"])
def _first(
    pyramid, out, weights, shifts, slopes, table, n, LEVELS: tl.constexpr, TILE: tl.constexpr
):
    """3 x 3 convolution from three colours to ten channels, PReLU and 2 x 2 max pooling."""
    tile = tl.program_id(0)
    level = level_of(tile, table, LEVELS, 7)
    height, width = number(level, 1), number(level, 2)
    rows, columns = number(level, 3), number(level, 4)
    pixel = (tile - number(level, 0)) * TILE + tl.arange(0, TILE)
    pixel = tl.minimum(pixel, n * rows * columns - 1)
    line = pixel // columns
    column, row = pixel - line * columns, line % rows
    patch = ((line // rows * height + row * 2) * width + column * 2).to(tl.int64) * 8
    source = pyramid + tl.load(level + 5) * 8 + patch
    product, made = tl.arange(0, 32), tl.arange(0, 128)
    sums = tl.zeros((TILE, 128), tl.float32)
    for y in tl.static_range(4):
        values = tl.load(source[:, None] + (y * width * 8 + product)[None, :])
        weight = tl.load(weights + (y * 32 + product)[:, None] * 128 + made[None, :])
        sums = tl.dot(values, weight, sums)
    x = tl.sum(tl.reshape(sums, (TILE, 2, 4, 16)), 1) * (1 / GAIN)
    channel = tl.arange(0, 16)
    x += tl.load(shifts + channel)[None, None, :]
    x = tl.where(x > 0, x, x * tl.load(slopes + channel)[None, None, :])
    corner = tl.arange(0, 4)[None, :]
    there = (row[:, None] * 2 + corner // 2 < height - 2) & (
        column[:, None] * 2 + corner % 2 < width - 2
    )
    x = tl.max(tl.where(there[:, :, None], x, float("-inf")), 1)
    _store_parts(x, out, tile, TILE)


@triton.jit
def _taps(source, weights, tile, columns, OUT: tl.constexpr, TILE: tl.constexpr):
    """3 x 3 convolution of sixteen channels."""
    product, made = tl.arange(0, 32), tl.arange(0, OUT)
    at = tl.arange(0, TILE)[:, None] * 32 + product[None, :]
    start = source + tile.to(tl.int64) * (TILE * 32)
    sums = tl.zeros((TILE, OUT), tl.float32)
    for tap in tl.static_range(9):
        values = tl.load(start + (tap // 3 * columns + tap % 3) * 32 + at)
        weight = tl.load(weights + (tap * 32 + product)[:, None] * OUT + made[None, :])
        sums = tl.dot(values, weight, sums)
    return sums


@triton.jit(do_not_specialize=["n"])
def _second(
    source, out, weights, shifts, slopes, table, n, LEVELS: tl.constexpr, TILE: tl.constexpr
):
    tile = tl.program_id(0)
    columns = number(level_of(tile, table, LEVELS, 7), 4)
    sums = _taps(source, weights, tile, columns, 32, TILE)
    _store_parts(_activated(sums, shifts, slopes, 1, TILE, 16), out, tile, TILE)


@triton.jit(do_not_specialize=["n", "done"])
def _third(
    source, offsets, scores, weights, heads, shifts, slopes, table, n, done,
    LEVELS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(0)
    level = level_of(tile, table, LEVELS, 7)
    rows, columns = number(level, 3), number(level, 4)
    sums = _taps(source, weights, tile, columns, 64, TILE)
    x = _activated(sums, shifts, slopes, 2, TILE, 32)
    channel, made = tl.arange(0, 32), tl.arange(0, 16)
    high = x.to(tl.float16)
    low = (x - high.to(tl.float32)).to(tl.float16)
    at = heads + channel[:, None] * 32 + made[None, :]
    head, rest = tl.load(at), tl.load(at + 16)
    sums = tl.dot(high, rest, tl.dot(low, head))
    x = tl.dot(high, head, sums) * (1 / GAIN) + tl.load(shifts + 96 + made)[None, :]

    pixel = (tile - number(level, 0)) * TILE + tl.arange(0, TILE)
    line = pixel // columns
    column, row, image = pixel - line * columns, line % rows, line // rows
    rows, columns = rows - 4, columns - 4
    there = (image < n) & (row < rows) & (column < columns)
    start, cell = tl.load(level + 6), row * columns + column
    image += done
    likelier = tl.sum(tl.where(made[None, :] == 0, x, 0.0), 1)
    small = tl.exp(-tl.abs(likelier))
    score = tl.where(likelier > 0, 1.0, small) / (1.0 + small)  # rounded as softmax rounds it
    tl.store(scores + start + image * (rows * columns) + cell, score, mask=there)
    target = (offsets + start * 4 + image.to(tl.int64) * (4 * rows * columns) + cell)[:, None]
    is_offset = (made >= 1) & (made < 5)
    target += (tl.where(is_offset, made - 1, 0) * (rows * columns))[None, :]
    tl.store(target, x, mask=there[:, None] & is_offset[None, :])
