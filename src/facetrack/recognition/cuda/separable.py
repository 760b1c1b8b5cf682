"""SFace's layers on a GPU: the first convolution, and pairs of a depthwise and a pointwise one.

cuDNN's depthwise convolutions, and PReLU as a kernel of its own, take most of the time: they move
data and compute little. Here a pair of convolutions is one kernel, and the values between the two
are never written to memory: each program computes the depthwise outputs of some pixels, some
channels at a time, and hands them directly to the tensor cores.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from facetrack.cuda.layers import PIXEL_MEAN, PIXEL_SCALE, Layers

TILE = 128
"""Output pixels of one Triton program."""
FIRST_WARPS = 4


class FirstLayer(NamedTuple):
    """Weights of a convolution of 3 x 3 over three colours, and of its PReLU."""

    weight: Tensor
    """``(32, outputs)``: rows, columns and colours of the kernel, then zeros."""
    shift: Tensor
    slope: Tensor

    @classmethod
    def of(cls, net: Layers, name: str) -> "FirstLayer":
        weight = net[f"{name}.weight"]
        taps = weight.new_zeros(32, len(weight))
        taps[:27] = weight.permute(2, 3, 1, 0).reshape(27, -1)
        return cls(taps, net[f"{name}.bias"], net[f"{name}.prelu"])


class Separable(NamedTuple):
    """Weights of a depthwise convolution of 3 x 3 and PReLU, then a pointwise one and PReLU."""

    taps: Tensor
    """``(9, channels)``."""
    shift: Tensor
    slope: Tensor
    weight: Tensor
    """``(channels, outputs)``."""
    out_shift: Tensor
    out_slope: Tensor
    stride: int

    @classmethod
    def of(cls, net: Layers, depthwise: str, pointwise: str, stride: int) -> "Separable":
        return cls(
            net[f"{depthwise}.weight"].permute(2, 3, 1, 0).reshape(9, -1).contiguous(),
            net[f"{depthwise}.bias"],
            net[f"{depthwise}.prelu"],
            net[f"{pointwise}.weight"][:, :, 0, 0].T.contiguous(),
            net[f"{pointwise}.bias"],
            net[f"{pointwise}.prelu"],
            stride,
        )


def first_layer(crops: Tensor, layer: FirstLayer) -> Tensor:
    """``(n, size, size, outputs)`` float16 of ``(n, size, size, 3)`` uint8 RGB."""
    n, size, _, _ = crops.shape
    outputs = layer.weight.shape[1]
    out = torch.empty((n, size, size, outputs), dtype=torch.float16, device=crops.device)
    pixels = n * size * size
    _first[(triton.cdiv(pixels, TILE),)](
        crops.contiguous(), out, *layer, pixels, PIXEL_MEAN, PIXEL_SCALE,
        SIZE=size, OUT=outputs, TILE=TILE, num_warps=FIRST_WARPS,
    )  # fmt: skip
    return out


def separable(x: Tensor, layer: Separable) -> Tensor:
    """``(n, size / stride, size / stride, outputs)`` of ``(n, size, size, channels)``, float16."""
    n, size, _, channels = x.shape
    outputs, side = layer.weight.shape[1], size // layer.stride
    out = torch.empty((n, side, side, outputs), dtype=torch.float16, device=x.device)
    pixels = n * side * side
    made = min(outputs, 256)
    _separable[triton.cdiv(pixels, TILE), outputs // made](
        x, out, *layer[:-1], pixels,
        SIZE=size, STRIDE=layer.stride, C=channels, OUT=outputs,
        TILE=TILE, CHANNELS=32, MADE=made, num_warps=8 if made > 64 else 4, num_stages=3,
    )  # fmt: skip
    return out


@triton.jit
def _prelu(x, slope):
    return tl.where(x > 0, x, x * slope[None, :])


@triton.jit
def _first(
    crops, out, weight, shift, slope, pixels, mean, scale,
    SIZE: tl.constexpr, OUT: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column, row = pixel % SIZE, pixel // SIZE % SIZE
    product = tl.arange(0, 32)
    dy, dx = product // 9 - 1, product % 9 // 3 - 1
    y, x = row[:, None] + dy[None, :], column[:, None] + dx[None, :]
    there = (pixel < pixels)[:, None] & (product < 27)[None, :]
    there &= (y >= 0) & (y < SIZE) & (x >= 0) & (x < SIZE)
    at = pixel[:, None] * 3 + (dy * (SIZE * 3) + dx * 3 + product % 3)[None, :]
    values = (tl.load(crops + at, mask=there, other=0).to(tl.float32) - mean) * scale
    values = tl.where(there, values, 0.0).to(tl.float16)
    made = tl.arange(0, OUT)
    sums = tl.dot(values, tl.load(weight + product[:, None] * OUT + made[None, :]))
    sums += tl.load(shift + made).to(tl.float32)[None, :]
    sums = _prelu(sums, tl.load(slope + made).to(tl.float32))
    target = out + pixel.to(tl.int64)[:, None] * OUT + made[None, :]
    tl.store(target, sums.to(tl.float16), mask=(pixel < pixels)[:, None])


@triton.jit
def _separable(
    x, out, taps, shift, slope, weight, out_shift, out_slope, pixels,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, C: tl.constexpr, OUT: tl.constexpr,
    TILE: tl.constexpr, CHANNELS: tl.constexpr, MADE: tl.constexpr,
):  # fmt: skip
    SIDE: tl.constexpr = SIZE // STRIDE
    pixel = tl.program_id(0) * TILE + tl.arange(0, TILE)
    real = pixel < pixels
    top = pixel // SIDE % SIDE * STRIDE - 1
    left = pixel % SIDE * STRIDE - 1
    start = ((pixel // (SIDE * SIDE)).to(tl.int64) * SIZE + top) * SIZE + left
    made = tl.program_id(1) * MADE + tl.arange(0, MADE)
    sums = tl.zeros((TILE, MADE), tl.float32)
    for first in range(0, C, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        source = x + start[:, None] * C + channel[None, :]
        values = tl.zeros((TILE, CHANNELS), tl.float32)
        for tap in tl.static_range(9):
            y, across = top + tap // 3, left + tap % 3
            there = real & (y >= 0) & (y < SIZE) & (across >= 0) & (across < SIZE)
            value = tl.load(
                source + (tap // 3 * SIZE + tap % 3) * C, mask=there[:, None], other=0.0
            )
            factor = tl.load(taps + tap * C + channel).to(tl.float32)
            values += value.to(tl.float32) * factor[None, :]
        values += tl.load(shift + channel).to(tl.float32)[None, :]
        values = _prelu(values, tl.load(slope + channel).to(tl.float32)).to(tl.float16)
        sums = tl.dot(values, tl.load(weight + channel[:, None] * OUT + made[None, :]), sums)
    sums += tl.load(out_shift + made).to(tl.float32)[None, :]
    sums = _prelu(sums, tl.load(out_slope + made).to(tl.float32))
    target = out + pixel.to(tl.int64)[:, None] * OUT + made[None, :]
    tl.store(target, sums.to(tl.float16), mask=real[:, None])
