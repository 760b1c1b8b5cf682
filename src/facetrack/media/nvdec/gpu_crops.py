"""Small images made from NV12 frames on a GPU, many in one kernel: face crops and coarse frames.

Only these small images leave the GPU. Face crops equal those that Pillow cuts and scales on the
host, except for rounding between the steps. A chroma sample counts for each of its four luma
pixels.
"""

from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from facetrack.media.face_cut import BOX_CROP_SIZE, Placement
from facetrack.media.frame_image import COARSE

PLACE = 13
"""Columns that say where a face is: address, width and height of its frame; x1 y1 x2 y2 of its box
crop; the six numbers of its placement, row by row, as the bits of float64."""
BLOCK = 128
"""Pixels of a face crop that one Triton program makes."""
COARSE_BLOCK = 256
"""Pixels of a coarse frame that one Triton program makes."""


def places(
    addresses: ArrayLike,
    sizes: NDArray[np.int64],
    corners: NDArray[np.int64],
    placements: Placement,
) -> NDArray[np.int64]:
    """``(n, 13)`` int64, the columns of ``PLACE``.

    Args:
        addresses: ``(n,)`` GPU addresses of the faces' frames.
        sizes: ``(n, 2)`` or ``(2,)`` width and height of the frames.
        corners: ``(n, 4)`` x1 y1 x2 y2 of the box crops in pixels, inside the frames.
        placements: ``(n, 2, 3)`` of the aligned crops, see ``face_cut.Placement``.
    """
    table = np.empty((len(corners), PLACE), np.int64)
    table[:, 0] = addresses
    table[:, 1:3] = sizes
    table[:, 3:7] = corners
    table[:, 7:] = np.ascontiguousarray(placements, np.float64).view(np.int64).reshape(-1, 6)
    return table


def box_crops(table: Tensor, matrices: Tensor) -> Tensor:
    """``(n, 160, 160, 3)`` uint8 RGB, as ``face_cut.stretched`` makes them.

    Args:
        table: ``(n, 13)`` int64, see ``places``.
        matrices: as ``gpu_frame.colour_arguments``, ``(n, 12)``, or ``(12,)`` for all.
    """
    return _made(_box_crop, table, matrices, BOX_CROP_SIZE)


def aligned_crops(table: Tensor, matrices: Tensor, size: int) -> Tensor:
    """``(n, size, size, 3)`` uint8 RGB, as ``face_cut.placed`` makes them; see ``box_crops``."""
    return _made(_aligned_crop, table, matrices, size)


def coarse_images(nv12: Tensor, colour: tuple[float, ...]) -> NDArray[np.uint8]:
    """``FrameImage.coarse`` of many frames, for finding cuts: ``(n, 36, 64, 3)`` uint8 RGB.

    Args:
        nv12: ``(n, height * 3 / 2, width)`` uint8 on the GPU.
        colour: as ``gpu_frame.colour_arguments``.
    """
    rows, columns = COARSE
    n, height, width = len(nv12), nv12.shape[1] * 2 // 3, nv12.shape[2]
    out = torch.empty((n, rows, columns, 3), dtype=torch.uint8, device=nv12.device)
    _coarse[n, triton.cdiv(rows * columns, COARSE_BLOCK)](
        nv12, out, height, width, *colour, ROWS=rows, COLUMNS=columns, BLOCK=COARSE_BLOCK
    )
    found: NDArray[np.uint8] = out.cpu().numpy()
    return found


def _made(kernel: Any, table: Tensor, matrices: Tensor, size: int) -> Tensor:
    out = torch.empty((len(table), size, size, 3), dtype=torch.uint8, device=table.device)
    step = matrices.stride(0) if matrices.ndim > 1 else 0
    kernel[len(table), triton.cdiv(size * size, BLOCK)](
        table, matrices, step, out, SIZE=size, BLOCK=BLOCK, PLACE=PLACE
    )
    return out


@triton.jit
def _window(at, length, SIZE: tl.constexpr):
    """First, end, middle and reach of the samples that make each output pixel, as in Pillow."""
    scale = length.to(tl.float32) / SIZE
    reach = tl.maximum(scale, 1.0)
    middle = (at.to(tl.float32) + 0.5) * scale
    first = tl.maximum((middle - reach + 0.5).to(tl.int32), 0)
    end = tl.minimum((middle + reach + 0.5).to(tl.int32), length)
    return first, end, middle, reach


@triton.jit
def whole(value):
    """The nearest whole number from 0 to 255."""
    return tl.floor(tl.minimum(tl.maximum(value, 0.0), 255.0) + 0.5)


@triton.jit
def _box_crop(
    table, matrices, step, out, SIZE: tl.constexpr, BLOCK: tl.constexpr, PLACE: tl.constexpr
):
    n = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < SIZE * SIZE
    place = table + n * PLACE
    image = tl.load(place).to(tl.pointer_type(tl.uint8))
    width, height = tl.load(place + 1).to(tl.int32), tl.load(place + 2).to(tl.int32)
    x1, y1 = tl.load(place + 3).to(tl.int32), tl.load(place + 4).to(tl.int32)
    wide, high = tl.load(place + 5).to(tl.int32) - x1, tl.load(place + 6).to(tl.int32) - y1
    m = matrices + n * step
    top, bottom, middle_y, reach_y = _window(at // SIZE, high, SIZE)
    left, right, middle_x, reach_x = _window(at % SIZE, wide, SIZE)
    red = tl.zeros((BLOCK,), tl.float32)
    green = tl.zeros((BLOCK,), tl.float32)
    blue = tl.zeros((BLOCK,), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    rows = tl.max(tl.where(inside, bottom - top, 0), 0)
    columns = tl.max(tl.where(inside, right - left, 0), 0)
    for dy in range(rows):
        y = top + dy
        weight_y = tl.maximum(1.0 - tl.abs((y - middle_y + 0.5) / reach_y), 0.0)
        for dx in range(columns):
            x = left + dx
            weight = tl.maximum(1.0 - tl.abs((x - middle_x + 0.5) / reach_x), 0.0) * weight_y
            there = inside & (y < bottom) & (x < right)
            weight = tl.where(there, weight, 0.0)
            luma = tl.load(image + (y1 + y) * width + x1 + x, mask=there, other=0)
            luma = luma.to(tl.float32)
            pair = image + (height + (y1 + y) // 2) * width + (x1 + x) // 2 * 2
            u = tl.load(pair, mask=there, other=0).to(tl.float32)
            v = tl.load(pair + 1, mask=there, other=0).to(tl.float32)
            r = luma * tl.load(m) + u * tl.load(m + 3) + v * tl.load(m + 6) + tl.load(m + 9)
            g = luma * tl.load(m + 1) + u * tl.load(m + 4) + v * tl.load(m + 7) + tl.load(m + 10)
            b = luma * tl.load(m + 2) + u * tl.load(m + 5) + v * tl.load(m + 8) + tl.load(m + 11)
            red += weight * whole(r)
            green += weight * whole(g)
            blue += weight * whole(b)
            total += weight
    target = out + (n.to(tl.int64) * SIZE * SIZE + at) * 3
    tl.store(target, whole(red / total).to(tl.uint8), mask=inside)
    tl.store(target + 1, whole(green / total).to(tl.uint8), mask=inside)
    tl.store(target + 2, whole(blue / total).to(tl.uint8), mask=inside)


@triton.jit
def _rgb_at(image, width, height, x, y, m, there):
    """Red, green and blue of pixels, as whole numbers."""
    luma = tl.load(image + y * width + x, mask=there, other=0).to(tl.float32)
    pair = image + (height + y // 2) * width + x // 2 * 2
    u = tl.load(pair, mask=there, other=0).to(tl.float32)
    v = tl.load(pair + 1, mask=there, other=0).to(tl.float32)
    r = luma * tl.load(m) + u * tl.load(m + 3) + v * tl.load(m + 6) + tl.load(m + 9)
    g = luma * tl.load(m + 1) + u * tl.load(m + 4) + v * tl.load(m + 7) + tl.load(m + 10)
    b = luma * tl.load(m + 2) + u * tl.load(m + 5) + v * tl.load(m + 8) + tl.load(m + 11)
    return whole(r), whole(g), whole(b)


@triton.jit
def _between(a, b, share):
    return a + (b - a) * share


@triton.jit
def _bits_as_float(address):
    return tl.load(address).to(tl.float64, bitcast=True).to(tl.float32)


@triton.jit
def _aligned_crop(
    table, matrices, step, out, SIZE: tl.constexpr, BLOCK: tl.constexpr, PLACE: tl.constexpr
):
    """Each pixel is the mean of ``taps`` times ``taps`` bilinear samples. As in Pillow, a sample
    is cut to a whole number, the frame's edge is repeated for half a pixel, and beyond is black."""
    n = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < SIZE * SIZE
    place = table + n * PLACE
    image = tl.load(place).to(tl.pointer_type(tl.uint8))
    width, height = tl.load(place + 1).to(tl.int32), tl.load(place + 2).to(tl.int32)
    m = matrices + n * step
    xx, xy, x0 = _bits_as_float(place + 7), _bits_as_float(place + 8), _bits_as_float(place + 9)
    yx, yy, y0 = _bits_as_float(place + 10), _bits_as_float(place + 11), _bits_as_float(place + 12)
    taps = tl.maximum(tl.ceil(tl.sqrt(xx * xx + yx * yx) - 1e-5), 1.0).to(tl.int32)
    i, j = at // SIZE, at % SIZE
    red = tl.zeros((BLOCK,), tl.float32)
    green = tl.zeros((BLOCK,), tl.float32)
    blue = tl.zeros((BLOCK,), tl.float32)
    for tap in range(taps * taps):
        row = (i * taps + tap // taps + 0.5) / taps
        column = (j * taps + tap % taps + 0.5) / taps
        x = xx * column + xy * row + x0
        y = yx * column + yy * row + y0
        there = inside & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        left, top = tl.floor(x - 0.5), tl.floor(y - 0.5)
        across, down = x - 0.5 - left, y - 0.5 - top
        x1 = tl.maximum(left.to(tl.int32), 0)
        x2 = tl.minimum(left.to(tl.int32) + 1, width - 1)
        y1 = tl.maximum(top.to(tl.int32), 0)
        y2 = tl.minimum(top.to(tl.int32) + 1, height - 1)
        r1, g1, b1 = _rgb_at(image, width, height, x1, y1, m, there)
        r2, g2, b2 = _rgb_at(image, width, height, x2, y1, m, there)
        r3, g3, b3 = _rgb_at(image, width, height, x1, y2, m, there)
        r4, g4, b4 = _rgb_at(image, width, height, x2, y2, m, there)
        r = tl.floor(_between(_between(r1, r2, across), _between(r3, r4, across), down))
        g = tl.floor(_between(_between(g1, g2, across), _between(g3, g4, across), down))
        b = tl.floor(_between(_between(b1, b2, across), _between(b3, b4, across), down))
        red += tl.where(there, r, 0.0)
        green += tl.where(there, g, 0.0)
        blue += tl.where(there, b, 0.0)
    samples = (taps * taps).to(tl.float32)
    target = out + (n.to(tl.int64) * SIZE * SIZE + at) * 3
    tl.store(target, whole(red / samples).to(tl.uint8), mask=inside)
    tl.store(target + 1, whole(green / samples).to(tl.uint8), mask=inside)
    tl.store(target + 2, whole(blue / samples).to(tl.uint8), mask=inside)


@triton.jit
def _coarse(
    nv12, out, height, width, m00, m01, m02, m10, m11, m12, m20, m21, m22, o0, o1, o2,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < ROWS * COLUMNS
    y = (at // COLUMNS * 2 + 1) * height // (2 * ROWS)
    x = (at % COLUMNS * 2 + 1) * width // (2 * COLUMNS)
    image = nv12 + n * (height + height // 2) * width
    luma = tl.load(image + y * width + x, mask=inside, other=0).to(tl.float32)
    pair = image + (height + y // 2) * width + x // 2 * 2
    u = tl.load(pair, mask=inside, other=0).to(tl.float32)
    v = tl.load(pair + 1, mask=inside, other=0).to(tl.float32)
    target = out + (n * (ROWS * COLUMNS) + at) * 3
    tl.store(target, whole(luma * m00 + u * m10 + v * m20 + o0).to(tl.uint8), mask=inside)
    tl.store(target + 1, whole(luma * m01 + u * m11 + v * m21 + o1).to(tl.uint8), mask=inside)
    tl.store(target + 2, whole(luma * m02 + u * m12 + v * m22 + o2).to(tl.uint8), mask=inside)
