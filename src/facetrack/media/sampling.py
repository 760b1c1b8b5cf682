"""Square crops of one size from many parts of many frames, made together by taking samples.

Where a part is larger than its crop, 2 x 2 or 4 x 4 samples make one pixel: about the mean of the
area, several times cheaper.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.media.frame_image import FrameImage

Pixels = NDArray[np.uint8]

SINGLE_SAMPLE_UP_TO = 1.2
"""Pixels of the part for one pixel of the crop, up to which one sample is enough. Up to twice as
many, 2 x 2 samples are taken; beyond that ``MOST_TAPS`` x ``MOST_TAPS``."""
MOST_TAPS = 4


def thumbnails(
    images: Sequence[FrameImage],
    of_image: NDArray[np.intp],
    corners: NDArray[np.int32],
    size: int,
) -> Pixels:
    """``(n, size, size, 3)`` uint8 RGB, each pixel about the mean of the area that it shows.

    Args:
        images: frames of one video; they may be of several kinds and sizes.
        of_image: ``(n,)`` position in ``images`` of the frame that each crop is cut from.
        corners: ``(n, 4)`` x1 y1 x2 y2 in pixels, inside the frame.
    """
    sides = (corners[:, 2:] - corners[:, :2]).max(axis=1)
    fine = SINGLE_SAMPLE_UP_TO * size
    taps = np.where(sides <= fine, 1, np.where(sides <= 2 * fine, 2, MOST_TAPS))
    crops = np.empty((len(corners), size, size, 3), np.uint8)
    for each in np.unique(taps):
        mine = np.flatnonzero(taps == each)
        crops[mine] = samples(images, of_image[mine], corners[mine], size, int(each))
    return crops


def samples(
    images: Sequence[FrameImage],
    of_image: NDArray[np.intp],
    corners: NDArray[np.int32],
    size: int,
    taps: int = 1,
) -> Pixels:
    """As ``thumbnails``; each pixel is the mean of ``taps`` x ``taps`` samples (1, 2 or 4)."""
    crops = np.empty((len(corners), size, size, 3), np.uint8)
    for which in _of_one_kind(images, of_image):
        crops[which] = _samples(images, of_image[which], corners[which], size, taps)
    return crops


def _of_one_kind(
    images: Sequence[FrameImage], of_image: NDArray[np.intp]
) -> Iterator[NDArray[np.intp]]:
    """Positions in ``of_image`` of the crops that can be made together."""
    kinds: dict[Hashable, list[int]] = {}
    for k in np.unique(of_image).tolist():
        kinds.setdefault(images[k].kind, []).append(k)
    for alike in kinds.values():
        yield np.flatnonzero(np.isin(of_image, alike))


def _samples(
    images: Sequence[FrameImage],
    of_image: NDArray[np.intp],
    corners: NDArray[np.int32],
    size: int,
    taps: int,
) -> Pixels:
    """The same for frames of one kind."""
    steps = (np.arange(size * taps) + 0.5) / (size * taps)
    x1, y1, x2, y2 = corners.T[:, :, None]
    rows, columns = (a + (b - a) * steps for a, b in ((y1, y2), (x1, x2)))
    whole = (rows.astype(np.intp), columns.astype(np.intp))
    mine = [(k, np.flatnonzero(of_image == k)) for k in np.unique(of_image)]
    planes = []
    for plane, first in enumerate(images[mine[0][0]].rasters):
        thin = min(taps, first.step)  # half the samples are enough of a plane of half the size
        rows, columns = (at[:, thin // 2 :: thin] // first.step for at in whole)
        taken = np.empty((*rows.shape, columns.shape[1], *first.pixels.shape[1:]), np.uint8)
        for k, which in mine:
            pixels, row, _ = images[k].rasters[plane]
            at = (rows[which] * row)[:, :, None] + columns[which][:, None]
            taken[which] = pixels.take(at, axis=0)
        planes.append(_block_means(taken, taps // thin))
    crops = images[mine[0][0]].coloured(planes)
    return np.asarray(crops, np.uint8)


def _block_means(pixels: Pixels, side: int) -> Pixels:
    """Means of blocks of pixels: ``(n, h, w, ...)`` to ``(n, h / side, w / side, ...)``."""
    if side == 1:
        return pixels
    total = np.zeros_like(pixels[:, ::side, ::side], np.uint16)
    for y in range(side):
        for x in range(side):
            total += pixels[:, y::side, x::side]
    total += side * side // 2
    return np.asarray(total // (side * side), np.uint8)
