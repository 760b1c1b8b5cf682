"""Scales a crop, whose edges may lie between pixels, into a place of another frame, by planes.

The filter is bicubic, and wider where the crop is made smaller. libswscale scales crops of whole
pixels, which still crops have. All others are scaled here with the same filter, from positions
between the pixels, so that a slowly moving crop does not jump from pixel to pixel. Each axis is a
product with a banded matrix, which is multiplied in blocks because BLAS is fast at that.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from facetrack.media.planar import PLANAR, Plane, UprightPlanes, paste, planes

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SHARPNESS = -0.6
"""Parameter of the cubic filter, as in libswscale."""
SUPPORT = 2
"""Reach of the cubic filter to each side, in samples."""
BLOCKS = (32, 16)
"""Samples made in one product, where the crop is enlarged and where it is not: with fewer, BLAS is
slow; with more, most of the matrix is zero."""
LARGER = 0.7
"""Source samples for one output sample, below which the first of ``BLOCKS`` is used."""
PHASES = 32
"""Positions between two pixels at which a crop may begin: finer ones cannot be seen, and the
weights of each are cached."""
KEPT = 256
"""Bands in the cache: some tens of KiB each."""
KEPT_SCALERS = 8
SMALLEST = 16
"""Smallest side in pixels of a crop that libswscale scales."""


class Band(NamedTuple):
    """Weights of the source samples for each output sample of one axis, in blocks."""

    first: tuple[int, ...]
    """``(blocks,)`` first source sample that each block needs."""
    weights: Float32
    """``(blocks, block, reach)``."""
    block: int
    """Output samples of a block."""
    reach: int
    """Source samples of a block."""

    @property
    def extent(self) -> slice:
        """Source samples that the whole axis needs."""
        return slice(self.first[0], self.first[-1] + self.reach)


def reframe(
    source: UprightPlanes, crop: Float64, target: VideoFrame, place: tuple[int, ...]
) -> None:
    """Scales a crop of the source into a part of ``target``.

    Args:
        crop: centre x, centre y, width and height in pixels of the upright source.
        target: in one of the ``PLANAR`` formats.
        place: x, y, width and height in pixels of the target; even.
    """
    across, down, bits = PLANAR[target.format.name]
    middle_x, middle_y, wide, high = crop
    x, y, width, height = place
    left, top = middle_x - wide / 2, middle_y - high / 2
    whole = not (left % across or wide % across or top % down or high % down)
    inside = min(left, top, *(source.size - crop[:2] - crop[2:] / 2)) >= 0
    same_format = (source.across, source.down, source.bits, 8) == (across, down, bits, bits)
    if whole and inside and same_format and min(wide, high) >= SMALLEST:
        _by_libswscale(source, (int(left), int(top), int(wide), int(high)), target, place)
        return
    brightest = 2**bits - 1
    gain = brightest / (2**source.bits - 1)
    luma, *chroma = planes(target)
    _resample(
        source.planes[:1],
        _band(left, wide, width, source.size[0]),
        _band(top, high, height, source.size[1]),
        gain,
        [luma[y : y + height, x : x + width]],
        brightest,
    )
    # Chroma samples sit on the left luma sample of their pair (MPEG-2 siting, the default of
    # H.264): half a luma sample left of the middle, in the source and in the target.
    sited = ((source.across - 1) - (across - 1) * wide / width) / 2
    rows, columns = source.planes[1].shape
    _resample(
        source.planes[1:],
        _band((left + sited) / source.across, wide / source.across, width // across, columns),
        _band(top / source.down, high / source.down, height // down, rows),
        gain,
        [
            plane[y // down : (y + height) // down, x // across : (x + width) // across]
            for plane in chroma
        ],
        brightest,
    )


def _by_libswscale(
    source: UprightPlanes, crop: tuple[int, ...], target: VideoFrame, place: tuple[int, ...]
) -> None:
    """``crop`` and ``place`` are x, y, width and height in luma samples."""
    (_, _, wide, high), (_, _, width, height) = crop, place
    scaler, cut = _scaler(wide, high, width, height, target.format.name)
    across_down = source.across, source.down
    paste(source.planes, crop, planes(cut), (0, 0), across_down)
    made = scaler.reformat(cut, width, height, interpolation="BICUBIC", threads=1)
    paste(planes(made), (0, 0, width, height), planes(target), place[:2], across_down)


@lru_cache(KEPT_SCALERS)
def _scaler(
    wide: int, high: int, width: int, height: int, pix_fmt: str
) -> tuple[VideoReformatter, VideoFrame]:
    """libswscale with its tables for two sizes, and a frame of the first size."""
    return VideoReformatter(), VideoFrame(wide, high, pix_fmt)


def _resample(
    sources: Sequence[Plane],
    across: Band,
    down: Band,
    gain: float,
    targets: Sequence[Plane],
    brightest: int,
) -> None:
    """Scales planes of one size together, because most of the time goes into calls."""
    rows, columns = down.extent, across.extent
    part = np.empty(
        (len(sources), rows.stop - rows.start, columns.stop - columns.start), np.float32
    )
    for plane, source in zip(part, sources, strict=True):
        plane[:] = source[rows, columns]
    if gain != 1:
        part *= np.float32(gain)
    part += np.float32(0.5)  # the weights' sum is 1: rounds what is cut off below
    height, width = targets[0].shape
    if height > part.shape[1]:  # first the axis that leaves less work for the other
        made = _made_high(_made_wide(part, across, width), down, height)
    else:
        made = _made_wide(_made_high(part, down, height), across, width)
    np.clip(made, 0, brightest, out=made)
    for target, plane in zip(targets, made, strict=True):
        np.copyto(target, plane, casting="unsafe")


def _made_high(part: Float32, band: Band, height: int) -> Float32:
    made = np.empty((len(part), height, part.shape[2]), np.float32)
    for block, first in enumerate(band.first):
        rows = made[:, block * band.block : (block + 1) * band.block]
        begin = first - band.first[0]
        weights = band.weights[block, : rows.shape[1]]
        np.matmul(weights, part[:, begin : begin + band.reach], out=rows)
    return made


def _made_wide(part: Float32, band: Band, width: int) -> Float32:
    made = np.empty((*part.shape[:2], width), np.float32)
    for block, first in enumerate(band.first):
        columns = made[:, :, block * band.block : (block + 1) * band.block]
        begin = first - band.first[0]
        weights = band.weights[block, : columns.shape[2]].T
        np.matmul(part[:, :, begin : begin + band.reach], weights, out=columns)
    return made


def _band(start: float, length: float, samples: int, available: int) -> Band:
    """Weights for ``samples`` spread evenly over ``[start, start + length)`` of an axis.

    ``available``: number of source samples of the axis.
    """
    start = round(start * PHASES) / PHASES
    whole = int(start // 1)
    # The last block may reach over the end of the crop.
    margin = int((SUPPORT + max(BLOCKS)) * max(length / samples, 1.0)) + 2
    if whole > margin and whole + length + margin < available:
        band = _inner_band(start - whole, length, samples)
        return band._replace(first=tuple(first + whole for first in band.first))
    return _made(start, length, samples, 0, available)


@lru_cache(KEPT)
def _inner_band(start: float, length: float, samples: int) -> Band:
    """The band far from the edges, which is the same at every whole pixel."""
    far = 1 << 20
    return _made(start, length, samples, -far, far)


def _made(start: float, length: float, samples: int, lowest: int, end: int) -> Band:
    """A band in which source samples outside ``[lowest, end)`` have no weight."""
    scale = length / samples
    block = BLOCKS[0] if scale < LARGER else BLOCKS[1]
    blocks = -(-samples // block)
    wide = max(scale, 1.0)
    middle = start + (np.arange(blocks * block) + 0.5) * scale - 0.5
    middle = np.clip(middle, lowest, end - 1)
    at = np.ceil(middle - SUPPORT * wide).astype(np.intp)[:, None] + np.arange(
        int(np.ceil(2 * SUPPORT * wide)) + 1
    )
    weights = _cubic((at - middle[:, None]) / wide)
    weights[(at < lowest) | (at >= end)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    first = np.maximum(at[::block, 0], lowest)
    reach = min(int((at[block - 1 :: block, -1] - first).max()) + 1, end - lowest)
    first = np.minimum(first, end - reach)
    column = at - np.repeat(first, block)[:, None]
    row = np.broadcast_to(np.arange(blocks * block)[:, None], at.shape)
    banded = np.zeros((blocks * block, reach), np.float32)
    used = weights != 0
    banded[row[used], column[used]] = weights[used]
    return Band(tuple(first.tolist()), banded.reshape(blocks, block, reach), block, reach)


def _cubic(x: Float64) -> Float64:
    a, x = SHARPNESS, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x - 4
    return np.where(x < 1, near, np.where(x < SUPPORT, a * far, 0.0))
