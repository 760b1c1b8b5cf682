"""Cuts a crop of fractional pixels out of a planar YUV picture, without a detour over RGB."""

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image as Pillow

from facetrack.media.picture import PLANAR, Plane, planes

MARGIN = 8
"""Pixels around the crop that the resampling filter may reach for."""


def reframed(picture: VideoFrame, crop: NDArray[np.float64], size: int) -> tuple[Plane, ...]:
    """Y ``(size, size)``, U and V ``(size/2, size/2)`` of the crop x1 y1 x2 y2 (upright pixels)."""
    luma, blue, red = _upright_planes(picture)
    x1, y1, x2, y2 = crop
    # Chroma samples sit on the left luma sample of their pair (MPEG-2 siting, H.264's default):
    # a quarter sample right of the middle, at the output's scale too.
    shift = 0.25 * (1 - (x2 - x1) / size)
    half = (x1 / 2 + shift, y1 / 2, x2 / 2 + shift, y2 / 2)
    return (
        _resized(luma, (x1, y1, x2, y2), size),
        _resized(blue, half, size // 2),
        _resized(red, half, size // 2),
    )


def _upright_planes(picture: VideoFrame) -> tuple[Plane, Plane, Plane]:
    turns = (picture.rotation % 360) // 90
    if picture.format.name not in PLANAR:
        picture = picture.reformat(format="yuv420p")
    luma, blue, red = (np.rot90(plane, turns) for plane in planes(picture))
    return luma, blue, red


def _resized(plane: Plane, box: tuple[float, ...], size: int) -> Plane:
    height, width = plane.shape
    x1, y1, x2, y2 = box
    x1, x2 = max(0.0, min(x1, width - 1.0)), min(x2, float(width))
    y1, y2 = max(0.0, min(y1, height - 1.0)), min(y2, float(height))
    reach = MARGIN + int((x2 - x1) / size) * 4
    left, top = max(0, int(x1) - reach), max(0, int(y1) - reach)
    part = np.ascontiguousarray(plane[top : int(y2) + reach + 1, left : int(x2) + reach + 1])
    resized = Pillow.fromarray(part).resize(
        (size, size), Pillow.Resampling.BICUBIC, box=(x1 - left, y1 - top, x2 - left, y2 - top)
    )
    return np.asarray(resized)
