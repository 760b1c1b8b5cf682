"""Decoded pictures that stay in the memory of a CUDA card."""

import threading
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.media.picture import RgbPicture, coarse_grid
from facetrack.media.yuv import rgb_of, to_rgb_matrix
from facetrack.types import Float32, Image


class CardPicture:
    """An upright NV12 picture on a card; ``Picture`` for whoever wants a part of it on the host.

    Chroma is repeated to the luma's pixels, as libswscale does it on the way to RGB.
    """

    def __init__(self, nv12: Tensor, colour: tuple[int, bool], coarse: Float32) -> None:
        self.nv12 = nv12
        """``(height * 3 / 2, width)`` uint8: luma, then U and V side by side at half the size."""
        self.colour = colour
        """Colour space and whether the range is full, as the frames name them."""
        self._coarse = coarse
        height = nv12.shape[0] * 2 // 3
        self.shape = (height, nv12.shape[1])
        self.nbytes = nv12.numel()

    def rgb(self) -> Image:
        height, width = self.shape
        return self.part(0, 0, width, height)

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        height, _ = self.shape
        with torch.cuda.stream(copies(self.nv12.device)):
            luma = self.nv12[y1:y2, x1:x2].cpu().numpy()
            top, left = y1 // 2, x1 // 2 * 2
            pairs = self.nv12[height + top : height + (y2 + 1) // 2, left : (x2 + 1) // 2 * 2]
            chroma = pairs.cpu().numpy()
        rows = np.arange(y1, y2) // 2 - top
        columns = np.arange(x1, x2) // 2 * 2 - left
        blue, red = chroma[rows][:, columns], chroma[rows][:, columns + 1]
        return np.rint(self._colours(np.stack([luma, blue, red], -1))).astype(np.uint8)

    def thumbnails(self, corners: NDArray[np.int32], size: int) -> NDArray[np.uint8]:
        return RgbPicture(self.rgb()).thumbnails(corners, size)

    def coarse(self) -> Float32:
        return self._coarse

    def _colours(self, yuv: NDArray[np.uint8]) -> Float32:
        return rgb_of(yuv, *to_rgb_matrix(*self.colour))


def coarse_pictures(nv12: Tensor, colour: tuple[int, bool]) -> Float32:
    """``Picture.coarse`` of ``(n, height * 3 / 2, width)`` pictures at once."""
    height, width = nv12.shape[1] * 2 // 3, nv12.shape[2]
    rows, columns = (torch.from_numpy(a).to(nv12.device) for a in coarse_grid(height, width))
    chroma = nv12[:, height + rows // 2]
    pairs = columns // 2 * 2
    planes = (nv12[:, rows][:, :, columns], chroma[:, :, pairs], chroma[:, :, pairs + 1])
    yuv = torch.stack(planes, -1).cpu().numpy()
    return rgb_of(yuv, *to_rgb_matrix(*colour))


_copies = threading.local()


def copies(device: torch.device) -> "torch.cuda.Stream":
    """This thread's stream for small copies, which do not wait for the networks."""
    if not hasattr(_copies, "stream"):
        _copies.stream = torch.cuda.Stream(device, priority=-1)
    return _copies.stream


@lru_cache(maxsize=16)
def colour_arguments(colorspace: int, full_range: bool) -> tuple[float, ...]:
    """Matrix, row by row, and offset of ``to_rgb_matrix``, for a kernel."""
    matrix, offset = to_rgb_matrix(colorspace, full_range)
    return (*matrix.flatten().tolist(), *offset.tolist())
