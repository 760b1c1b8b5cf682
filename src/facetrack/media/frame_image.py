"""Decoded frames: planes stay as the decoder left them, and only the needed parts become RGB.

To convert a whole frame to RGB costs as much as to decode it, and faces are a small part of it.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image as Pillow

from facetrack.core.types import Float32, Image
from facetrack.media.face_cut import Cut, FaceCut, HostFaceCut, Placement, extent
from facetrack.media.planar import Plane, is_full_range, planes
from facetrack.media.yuv import rgb_of, scaled, to_rgb_matrix

YUV420 = {"yuv420p", "yuvj420p"}
"""Pixel formats of 4:2:0 with 8 bits, whose planes are used as they are."""
COARSE = (36, 64)
"""Rows and columns of a coarse frame."""


class Raster(NamedTuple):
    """The memory of a frame's pixels, or of one of its planes."""

    pixels: NDArray[np.uint8]
    """``(height * row, ...)``, row after row."""
    row: int
    """Pixels from one row to the next."""
    step: int
    """Pixels of the frame for one pixel of the plane, in both directions."""


class FrameImage(Protocol):
    """An upright frame of which whole or parts can be had as RGB."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    @property
    def pixel_aspect(self) -> float:
        """Width / height of a pixel."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of memory that its pixels take."""
        ...

    @property
    def kind(self) -> Hashable:
        """Equal for frames whose rasters are of one form, and mean the same colours. A film may go
        on in another kind from any frame on."""
        ...

    @property
    def rasters(self) -> Sequence[Raster]:
        """Where its pixels lie in memory; ``coloured`` converts samples of them to RGB."""
        ...

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        """Converts samples of each raster, all of one shape, to ``(..., 3)`` uint8 RGB."""
        ...

    def rgb(self) -> Image:
        """The whole frame, ``(height, width, 3)`` uint8 RGB."""
        ...

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        """Pixels ``x1 <= x < x2``, ``y1 <= y < y2``: ``(y2 - y1, x2 - x1, 3)`` uint8 RGB.

        The part must lie inside the frame.
        """
        ...

    def face_cut(
        self, corners: tuple[int, int, int, int], placement: Placement, size: int
    ) -> FaceCut:
        """A face, which can be kept after the frame is released.

        Args:
            corners: x1 y1 x2 y2 of its box crop in pixels, inside the frame.
            placement: of its aligned crop, see ``face_cut.Placement``.
            size: side of the aligned crop in pixels.
        """
        ...

    def scaled(self, height: int, width: int) -> Image:
        """The whole frame made smaller: ``(height, width, 3)`` uint8 RGB, by means of areas."""
        ...

    def coarse(self) -> Image:
        """Samples at ``coarse_grid``: ``(36, 64, 3)`` uint8 RGB, contiguous."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame and its place in the video."""

    index: int
    """Counts from 0 in presentation order, over the whole source."""
    time_s: float
    """Presentation time in seconds from the start of the source's video stream."""
    image: FrameImage


class RgbImage:
    """A frame in RGB; implements ``FrameImage``."""

    kind: Hashable = "rgb"

    def __init__(self, image: Image, pixel_aspect: float = 1.0) -> None:
        """``image``: ``(height, width, 3)`` uint8 RGB; it is not copied."""
        self._rgb = image
        self.pixel_aspect = pixel_aspect
        self.shape = (image.shape[0], image.shape[1])
        self.nbytes = image.nbytes

    @property
    def rasters(self) -> Sequence[Raster]:
        return [Raster(self._rgb.reshape(-1, 3), self.shape[1], 1)]

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        return planes[0]

    def rgb(self) -> Image:
        return self._rgb

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        return self._rgb[y1:y2, x1:x2]

    def cut(self, x1: int, y1: int, x2: int, y2: int) -> Cut:
        """A copy of a part."""
        return RgbImage(self.part(x1, y1, x2, y2).copy())

    def face_cut(
        self, corners: tuple[int, int, int, int], placement: Placement, size: int
    ) -> FaceCut:
        return _face_cut(self, corners, placement, size)

    def scaled(self, height: int, width: int) -> Image:
        whole = Pillow.fromarray(self._rgb)
        return np.array(whole.resize((width, height), Pillow.Resampling.BOX))

    def coarse(self) -> Image:
        return self._coarse

    @cached_property
    def _coarse(self) -> Image:
        rows, columns = coarse_grid(*self.shape)
        return np.ascontiguousarray(self._rgb[rows][:, columns])


class YuvImage:
    """A 4:2:0 frame in the decoder's own memory; implements ``FrameImage``.

    A chroma sample counts for each of its four luma pixels, as in libswscale's conversion to RGB.
    """

    def __init__(self, frame: VideoFrame, pixel_aspect: float = 1.0) -> None:
        self._frame = frame
        self.pixel_aspect = pixel_aspect
        self._views = planes(frame)
        luma, blue, red = self._views
        self.shape = (luma.shape[0], luma.shape[1])
        self.nbytes = luma.nbytes + blue.nbytes + red.nbytes
        colours = int(frame.colorspace), is_full_range(frame)
        self.kind: Hashable = ("yuv420", *colours)
        self._matrix, self._offset = to_rgb_matrix(*colours)

    @property
    def rasters(self) -> Sequence[Raster]:
        return [
            Raster(np.frombuffer(memoryview(plane), np.uint8), plane.line_size, step)
            for plane, step in zip(self._frame.planes, (1, 2, 2), strict=True)
        ]

    def coloured(self, planes: Sequence[NDArray[np.uint8]]) -> Image:
        return rgb_of(planes, self._matrix, self._offset)

    def rgb(self) -> Image:
        return np.asarray(self._frame.to_ndarray(format="rgb24"), np.uint8)

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        return self.cut(x1, y1, x2, y2).rgb()

    def face_cut(
        self, corners: tuple[int, int, int, int], placement: Placement, size: int
    ) -> FaceCut:
        return _face_cut(self, corners, placement, size)

    def cut(self, x1: int, y1: int, x2: int, y2: int) -> Cut:
        """A copy of a part's planes."""
        luma, *chroma = self._views
        top, left, bottom, right = y1 // 2, x1 // 2, (y2 + 1) // 2, (x2 + 1) // 2
        planes = [luma[y1:y2, x1:x2].copy()]
        planes += [plane[top:bottom, left:right].copy() for plane in chroma]
        return YuvCut(planes, (y1 % 2, x1 % 2), (self._matrix, self._offset))

    def scaled(self, height: int, width: int) -> Image:
        return scaled(self._frame, height, width)

    def coarse(self) -> Image:
        return self._coarse

    @cached_property
    def _coarse(self) -> Image:
        rows, columns = coarse_grid(*self.shape)
        luma, *chroma = self._views
        yuv = [luma[rows][:, columns], *(p[rows // 2][:, columns // 2] for p in chroma)]
        return rgb_of(yuv, self._matrix, self._offset)


@dataclass(frozen=True, slots=True)
class YuvCut:
    """Y, U and V of a part of a 4:2:0 frame."""

    planes: Sequence[Plane]
    odd: tuple[int, int]
    """For row and column: 1 where the part begins at an odd one, else 0."""
    colour: tuple[Float32, Float32]
    """Matrix and offset of ``to_rgb_matrix``."""

    def rgb(self) -> Image:
        luma, *chroma = self.planes
        rows = (np.arange(luma.shape[0]) + self.odd[0]) // 2
        columns = (np.arange(luma.shape[1]) + self.odd[1]) // 2
        yuv = [luma, *(plane[rows][:, columns] for plane in chroma)]
        return rgb_of(yuv, *self.colour)


class CachedRgbImage:
    """A frame whose RGB is made once at most, for callers that read many parts of it."""

    def __init__(self, image: FrameImage) -> None:
        self._image = image
        self.shape = image.shape
        self.pixel_aspect = image.pixel_aspect
        self.nbytes = image.nbytes
        self.kind = image.kind
        self.scaled = image.scaled
        self.rasters = image.rasters
        self.coloured = image.coloured
        self.coarse = image.coarse
        self.face_cut = image.face_cut

    @cached_property
    def _rgb(self) -> Image:
        return self._image.rgb()

    def rgb(self) -> Image:
        return self._rgb

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        return self._rgb[y1:y2, x1:x2]


def stacked(images: Sequence[Image]) -> Image:
    """``(n, ...)`` a copy of uint8 images of one shape; like ``np.stack``, for many small ones.

    NumPy gives up the interpreter for each image and waits until other threads let it go on: of a
    batch of 128 coarse images, longer than all that is computed with them.
    """
    joined = np.frombuffer(bytearray().join([image.tobytes() for image in images]), np.uint8)
    return joined.reshape(len(images), *images[0].shape)


def _face_cut(
    image: RgbImage | YuvImage,
    corners: tuple[int, int, int, int],
    placement: Placement,
    size: int,
) -> FaceCut:
    """Copies the part of the frame that both crops need."""
    left, top, right, bottom = extent(placement, size, image.shape)
    x1, y1, x2, y2 = corners
    x1, y1, x2, y2 = min(x1, left), min(y1, top), max(x2, right), max(y2, bottom)
    return HostFaceCut(image.cut(x1, y1, x2, y2), (x1, y1), corners, placement, size)


def coarse_grid(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows ``(36,)`` and columns ``(64,)`` spread evenly over a frame."""
    rows = (np.arange(COARSE[0]) * 2 + 1) * height // (2 * COARSE[0])
    columns = (np.arange(COARSE[1]) * 2 + 1) * width // (2 * COARSE[1])
    return rows, columns
