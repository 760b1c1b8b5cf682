"""Scales a crop of fractional pixels into a place of another picture, plane by plane.

Bicubic, and wide enough where the crop is made smaller: as libswscale does it, but from any place
between the pixels, so that a slowly moving crop glides. Each axis is a product with a matrix that
is zero but for a band; the band is multiplied in blocks, which is what BLAS is fast at.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.media.upright import PLANAR, Plane, Upright, planes

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SHARPNESS = -0.6
"""Of the cubic, as libswscale has it."""
SUPPORT = 2
"""Reach of the cubic in samples."""
BLOCK = 16
"""Samples made at once: fewer and BLAS has little to do, more and most of the band is zero."""
PHASES = 32
"""Places between two pixels at which a crop may begin: finer is not seen, and each is kept."""
KEPT = 256
"""Bands kept: some tens of KiB each."""


class Band(NamedTuple):
    """Weights that make the samples of one axis, a block of ``BLOCK`` at a time."""

    first: tuple[int, ...]
    """``(blocks,)`` source sample that each block's weights begin at."""
    weights: Float32
    """``(blocks, BLOCK, reach)``."""
    reach: int


def reframe(source: Upright, crop: Float64, target: VideoFrame, place: tuple[int, ...]) -> None:
    """Shows the crop in a part of ``target``.

    Args:
        crop: centre x, centre y, width and height in pixels of the upright source.
        target: in one of the ``PLANAR`` formats.
        place: x, y, width and height in pixels of the target; even.
    """
    across, down, bits = PLANAR[target.format.name]
    middle_x, middle_y, wide, high = crop
    x, y, width, height = place
    left, top = middle_x - wide / 2, middle_y - high / 2
    gain = (2**bits - 1) / (2**source.bits - 1) if bits != source.bits else 1.0
    for number, plane in enumerate(planes(target)):
        s_across, s_down = (source.across, source.down) if number else (1, 1)
        t_across, t_down = (across, down) if number else (1, 1)
        # Chroma samples sit on the left luma sample of their pair (MPEG-2 siting, the default of
        # H.264): half a luma sample left of the middle, in the source and in the target.
        step = wide / width
        sited = ((s_across - 1) - (t_across - 1) * step) / 2
        part = plane[y // t_down : (y + height) // t_down, x // t_across : (x + width) // t_across]
        _resample(
            source.planes[number],
            _band((left + sited) / s_across, wide / s_across, part.shape[1],
                  source.planes[number].shape[1]),
            _band(top / s_down, high / s_down, part.shape[0], source.planes[number].shape[0]),
            gain,
            part,
            2**bits - 1,
        )  # fmt: skip


def _resample(
    plane: Plane, across: Band, down: Band, gain: float, out: Plane, brightest: int
) -> None:
    top, left = down.first[0], across.first[0]
    bottom, right = down.first[-1] + down.reach, across.first[-1] + across.reach
    part = plane[top:bottom, left:right].astype(np.float32)
    if gain != 1:
        part *= np.float32(gain)
    part += np.float32(0.5)  # the weights' sum is 1: rounds what is cut off below
    height, width = out.shape
    if height > part.shape[0]:  # first the axis that leaves less for the other
        result = _made_high(_made_wide(part, across, width), down, height)
    else:
        result = _made_wide(_made_high(part, down, height), across, width)
    np.clip(result, 0, brightest, out=result)
    np.copyto(out, result, casting="unsafe")


def _made_high(part: Float32, band: Band, height: int) -> Float32:
    made = np.empty((height, part.shape[1]), np.float32)
    for block, first in enumerate(band.first):
        rows = made[block * BLOCK : (block + 1) * BLOCK]
        begin = first - band.first[0]
        np.matmul(band.weights[block, : len(rows)], part[begin : begin + band.reach], out=rows)
    return made


def _made_wide(part: Float32, band: Band, width: int) -> Float32:
    made = np.empty((part.shape[0], width), np.float32)
    for block, first in enumerate(band.first):
        columns = made[:, block * BLOCK : (block + 1) * BLOCK]
        begin = first - band.first[0]
        weights = band.weights[block, : columns.shape[1]].T
        np.matmul(part[:, begin : begin + band.reach], weights, out=columns)
    return made


def _band(start: float, length: float, samples: int, available: int) -> Band:
    """Weights for ``samples`` evenly over ``[start, start + length)`` of ``available`` samples."""
    start = round(start * PHASES) / PHASES
    whole = int(start // 1)
    scale = max(length / samples, 1.0)
    reach = int(SUPPORT * scale) + 2
    # The last block may be made of more source samples than the crop has.
    if whole > reach and whole + length + BLOCK * scale + reach < available:
        band = _inner_band(start - whole, length, samples)
        return band._replace(first=tuple(first + whole for first in band.first))
    return _made(start, length, samples, 0, available)


@lru_cache(KEPT)
def _inner_band(start: float, length: float, samples: int) -> Band:
    """Far from the edges: the same at every whole pixel."""
    far = 1 << 20
    return _made(start, length, samples, -far, far)


def _made(start: float, length: float, samples: int, lowest: int, end: int) -> Band:
    """Source samples outside ``[lowest, end)`` have no weight."""
    blocks = -(-samples // BLOCK)
    scale = length / samples
    wide = max(scale, 1.0)
    middle = start + (np.arange(blocks * BLOCK) + 0.5) * scale - 0.5
    middle = np.clip(middle, lowest, end - 1)
    at = np.ceil(middle - SUPPORT * wide).astype(np.intp)[:, None] + np.arange(
        int(np.ceil(2 * SUPPORT * wide)) + 1
    )
    weights = _cubic((at - middle[:, None]) / wide)
    weights[(at < lowest) | (at >= end)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    first = np.maximum(at[::BLOCK, 0], lowest)
    reach = min(int((at[BLOCK - 1 :: BLOCK, -1] - first).max()) + 1, end - lowest)
    first = np.minimum(first, end - reach)
    column = at - np.repeat(first, BLOCK)[:, None]
    row = np.broadcast_to(np.arange(blocks * BLOCK)[:, None], at.shape)
    banded = np.zeros((blocks * BLOCK, reach), np.float32)
    used = weights != 0
    banded[row[used], column[used]] = weights[used]
    return Band(tuple(first.tolist()), banded.reshape(blocks, BLOCK, reach), reach)


def _cubic(x: Float64) -> Float64:
    a, x = SHARPNESS, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x - 4
    return np.where(x < 1, near, np.where(x < SUPPORT, a * far, 0.0))
