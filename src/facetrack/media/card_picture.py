"""Decoded pictures that stay in the memory of a CUDA card."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.media.card_streams import stream
from facetrack.media.picture import Cut, Raster, RgbPicture, YuvCut, coarse_grid
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
        return self.cut(x1, y1, x2, y2).rgb()

    def cut(self, x1: int, y1: int, x2: int, y2: int) -> Cut:
        height, _ = self.shape
        top, bottom = height + y1 // 2, height + (y2 + 1) // 2
        left, right = x1 // 2 * 2, (x2 + 1) // 2 * 2
        beside = copies(self.nv12.device)
        with torch.cuda.stream(beside):
            self.nv12.record_stream(beside)  # its memory is not used again before it was read
            luma, pairs = self.nv12[y1:y2, x1:x2], self.nv12[top:bottom, left:right]
            pixels = torch.cat([luma.flatten(), pairs.flatten()])
        return CardCut(pixels, luma.shape, pairs.shape, (y1 % 2, x1 % 2), self.colour)

    def scaled(self, height: int, width: int) -> Image:
        return RgbPicture(self.rgb()).scaled(height, width)

    @property
    def rasters(self) -> Sequence[Raster]:
        return RgbPicture(self.rgb()).rasters

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        return planes[0]

    def coarse(self) -> Float32:
        return self._coarse


@dataclass(frozen=True, slots=True)
class CardCut:
    """A part of a picture, still on the card."""

    pixels: Tensor
    """Luma, then U and V side by side, in one piece."""
    luma: tuple[int, int]
    pairs: tuple[int, int]
    """Their heights and widths."""
    odd: tuple[int, int]
    colour: tuple[int, bool]

    def rgb(self) -> Image:
        with torch.cuda.stream(copies(self.pixels.device)):
            pixels = self.pixels.cpu().numpy()
        split = self.luma[0] * self.luma[1]
        luma, pairs = pixels[:split].reshape(self.luma), pixels[split:].reshape(self.pairs)
        planes = [luma, pairs[:, ::2], pairs[:, 1::2]]
        return YuvCut(planes, self.odd, to_rgb_matrix(*self.colour)).rgb()


def coarse_pictures(nv12: Tensor, colour: tuple[int, bool]) -> Float32:
    """``Picture.coarse`` of ``(n, height * 3 / 2, width)`` pictures at once."""
    height, width = nv12.shape[1] * 2 // 3, nv12.shape[2]
    rows, columns = (torch.from_numpy(a).to(nv12.device) for a in coarse_grid(height, width))
    chroma = nv12[:, height + rows // 2]
    pairs = columns // 2 * 2
    planes = (nv12[:, rows][:, :, columns], chroma[:, :, pairs], chroma[:, :, pairs + 1])
    yuv = torch.stack(planes).cpu().numpy()
    return rgb_of(list(yuv), *to_rgb_matrix(*colour)).astype(np.float32)


def copies(device: torch.device) -> "torch.cuda.Stream":
    """For small copies, which do not wait for the networks."""
    return stream("copies", device, priority=-1)


@lru_cache(maxsize=16)
def colour_arguments(colorspace: int, full_range: bool) -> tuple[float, ...]:
    """Matrix, row by row, and offset of ``to_rgb_matrix``, for a kernel."""
    matrix, offset = to_rgb_matrix(colorspace, full_range)
    return (*matrix.flatten().tolist(), *offset.tolist())
