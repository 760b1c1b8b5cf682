"""Decoded pictures that stay in the memory of a CUDA card."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from weakref import ReferenceType, ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.media.card_gather import gathered_rectangles
from facetrack.media.card_streams import stream
from facetrack.media.picture import Cut, Raster, RgbPicture, YuvCut, coarse_grid
from facetrack.media.yuv import rgb_of, to_rgb_matrix
from facetrack.models.registry import shared
from facetrack.types import Float32, Image

MOST_WAITING = 256
"""Cuts that stay on the card,"""
MOST_PARTS = 8
"""and pieces of memory that they may keep: each holds the frames of one part of a video."""


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
        return CardCut(self, (x1, y1, x2, y2))

    def scaled(self, height: int, width: int) -> Image:
        return RgbPicture(self.rgb()).scaled(height, width)

    @property
    def rasters(self) -> Sequence[Raster]:
        return RgbPicture(self.rgb()).rasters

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        return planes[0]

    def coarse(self) -> Float32:
        return self._coarse


class CardCut:
    """A part of a picture. It is taken off the card when it is looked at; until then it costs
    nothing, for most cuts are let go before."""

    def __init__(self, picture: CardPicture, corners: tuple[int, int, int, int]) -> None:
        self.picture: CardPicture | None = picture
        self.corners = corners
        self.colour = picture.colour
        self._pixels: list[NDArray[np.uint8]] = []
        _waiting(picture.nv12.device).add(self)

    def rgb(self) -> Image:
        if self.picture is not None:
            _waiting(self.picture.nv12.device).take_off(self)
        x1, y1, *_ = self.corners
        luma, pairs = self._pixels
        planes = [luma, pairs[:, ::2], pairs[:, 1::2]]
        return YuvCut(planes, (y1 % 2, x1 % 2), to_rgb_matrix(*self.colour)).rgb()

    def rectangles(self) -> list[tuple[int, int, int, int]]:
        """Of luma, and of U and V side by side: address, bytes a row, columns, rows."""
        assert self.picture is not None
        height, width = self.picture.shape
        x1, y1, x2, y2 = self.corners
        left, right = x1 // 2 * 2, (x2 + 1) // 2 * 2
        top, bottom = height + y1 // 2, height + (y2 + 1) // 2
        start = self.picture.nv12.data_ptr()
        return [
            (start + y1 * width + x1, width, x2 - x1, y2 - y1),
            (start + top * width + left, width, right - left, bottom - top),
        ]

    def arrived(self, pixels: list[NDArray[np.uint8]]) -> None:
        """Luma, and U and V side by side; the picture is let go."""
        self._pixels = pixels
        self.picture = None


class _Waiting:
    """The cuts that are still on the card. Their pictures' memory stays for as long, so when they
    are many, or of many parts of the video, those that are still wanted are taken off together."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cuts: list[ReferenceType[CardCut]] = []
        self._parts: set[int] = set()
        self._lock = threading.Lock()

    def add(self, cut: CardCut) -> None:
        with self._lock:
            self._cuts.append(ref(cut))
            self._parts.add(_part(cut))
            if len(self._cuts) >= MOST_WAITING or len(self._parts) > MOST_PARTS:
                wanted = self._wanted()
                self._cuts = [ref(cut) for cut in wanted]
                self._parts = {_part(cut) for cut in wanted}
                if len(wanted) > MOST_WAITING // 2 or len(self._parts) > MOST_PARTS // 2:
                    self._take_all()

    def take_off(self, cut: CardCut) -> None:
        with self._lock:
            if cut.picture is not None:
                self._take_all()

    def _take_all(self) -> None:
        """One kernel and one copy for all."""
        cuts = self._wanted()
        self._cuts.clear()
        self._parts.clear()
        rectangles = [rectangle for cut in cuts for rectangle in cut.rectangles()]
        with torch.inference_mode(), torch.cuda.stream(stream("copies", self._device, -1)):
            pixels = gathered_rectangles(rectangles, self._device).cpu().numpy()
        ends = np.cumsum([columns * rows for _, _, columns, rows in rectangles])
        parts = [
            part.reshape(rows, columns)
            for part, (*_, columns, rows) in zip(
                np.split(pixels, ends[:-1]), rectangles, strict=True
            )
        ]
        for i, cut in enumerate(cuts):
            cut.arrived([part.copy() for part in parts[2 * i : 2 * i + 2]])

    def _wanted(self) -> list[CardCut]:
        return [cut for cut in (reference() for reference in self._cuts) if cut is not None]


def _part(cut: CardCut) -> int:
    """The piece of memory that its picture is in."""
    assert cut.picture is not None
    return int(cut.picture.nv12.untyped_storage().data_ptr())


def _waiting(device: torch.device) -> _Waiting:
    return shared(("cuts", device), lambda: _Waiting(device))


def coarse_pictures(nv12: Tensor, colour: tuple[int, bool]) -> Float32:
    """``Picture.coarse`` of ``(n, height * 3 / 2, width)`` pictures at once."""
    height, width = nv12.shape[1] * 2 // 3, nv12.shape[2]
    rows, columns = (torch.from_numpy(a).to(nv12.device) for a in coarse_grid(height, width))
    chroma = nv12[:, height + rows // 2]
    pairs = columns // 2 * 2
    planes = (nv12[:, rows][:, :, columns], chroma[:, :, pairs], chroma[:, :, pairs + 1])
    yuv = torch.stack(planes).cpu().numpy()
    return rgb_of(list(yuv), *to_rgb_matrix(*colour)).astype(np.float32)


@lru_cache(maxsize=16)
def colour_arguments(colorspace: int, full_range: bool) -> tuple[float, ...]:
    """Matrix, row by row, and offset of ``to_rgb_matrix``, for a kernel."""
    matrix, offset = to_rgb_matrix(colorspace, full_range)
    return (*matrix.flatten().tolist(), *offset.tolist())
