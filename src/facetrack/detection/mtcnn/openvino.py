"""MTCNN on OpenVINO, in two versions.

- ``_ExactNetworks``, for detection on every frame, computes what facenet-pytorch computes to the
  last digits: float32, and every pyramid level is pooled from the frame.
- ``QuickNetworks``, for key frames, is several times faster: libswscale makes the first level, each
  later level is made from the one before, crops are sampled from the decoder's planes, and bfloat16
  is used where the CPU has it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import Indices
from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Faces, Float32, Image
from facetrack.detection.mtcnn import openvino_graphs as graphs
from facetrack.detection.mtcnn.cascade import (
    EXACT,
    ONET_SIZE,
    RNET_SIZE,
    Cascade,
    CascadeConfig,
    Parts,
    redetect,
)
from facetrack.media.frame_image import FrameImage
from facetrack.media.sampling import samples, thumbnails
from facetrack.models.weights import tensors
from facetrack.runtime.batching import SMALLEST
from facetrack.runtime.openvino_requests import Requests

IMAGE_SIZES = 4
"""Number of frame sizes whose P-Net graphs are kept; a graph is compiled for one size."""
FRAMES_AT_ONCE = 8
"""Frames in one run of the cascade. A CPU gains nothing from more."""
QUICK = CascadeConfig(pnet_threshold=0.75, nms=0.5, second_onet_pass=True)
"""R-Net and O-Net get half as many crops as with ``EXACT`` and find the same faces."""

Sizes = tuple[tuple[int, int], ...]
"""Height and width of each pyramid level."""


class OpenVinoMtcnn:
    """Implements ``RedetectingDetector``."""

    name = "mtcnn"
    smallest_batch = SMALLEST
    frames_ahead = 1

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        """``precision``: ``f32`` or ``bf16``; detection on every frame is always ``f32``."""
        if settings.on_every_frame:
            self._cascade = Cascade(_ExactNetworks(), settings, EXACT)
        else:
            self._cascade = Cascade(QuickNetworks(precision), settings, QUICK)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for i in range(0, len(images), FRAMES_AT_ONCE):
            yield from self._cascade.detect(images[i : i + FRAMES_AT_ONCE])

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """See ``Redetects.redetect``."""
        return self._cascade.redetect(images, of_image, anchors)


class OpenVinoRnetOnet:
    """R-Net and O-Net without P-Net. Implements ``Redetects``."""

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        self._settings = settings
        self._networks = QuickRnetOnet(precision)

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """See ``Redetects.redetect``."""
        return redetect(self._networks, self._settings, images, of_image, anchors)


class QuickRnetOnet:
    """Both networks as one graph. Implements ``RnetOnet``."""

    def __init__(self, precision: str) -> None:
        self._onet_and_rnet = shared(
            ("openvino onet and rnet", precision),
            lambda: Requests(graphs.onet_and_rnet(tensors("onet"), tensors("rnet")), precision),
        )

    def onet_and_rnet(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        crops = thumbnails(images, parts.images, parts.corners, ONET_SIZE)
        offsets, points, onet_scores, rnet_scores = self._onet_and_rnet.batch(crops)
        return offsets, points, onet_scores, rnet_scores


class QuickNetworks(QuickRnetOnet):
    """The networks for key frames. Implements ``MtcnnNetworks``."""

    def __init__(self, precision: str) -> None:
        super().__init__(precision)
        self._pnet = shared(
            ("openvino pnet", precision),
            lambda: lru_cache(IMAGE_SIZES)(
                lambda sizes: Requests(graphs.chained_pnet(tensors("pnet"), sizes), precision)
            ),
        )
        self._rnet = _rnet(precision, np.uint8)
        self._onet = _onet(precision, np.uint8)

    def pnet(self, images: Sequence[FrameImage], sizes: Sizes) -> list[list[Float32]]:
        height, width = (side & ~1 for side in sizes[0])  # libswscale is faster with even sides
        pnet = self._pnet(((height, width), *sizes[1:]))
        return pnet.run([[p.scaled(height, width)[None]] for p in images])

    def rnet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        # One sample a pixel is exact enough to drop most candidates.
        crops = samples(images, parts.images, parts.corners, RNET_SIZE)
        offsets, scores = self._rnet.batch(crops)
        return offsets, scores

    def onet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32, Float32]:
        crops = thumbnails(images, parts.images, parts.corners, ONET_SIZE)
        offsets, points, scores = self._onet.batch(crops)
        return offsets, points, scores


class _ExactNetworks:
    """The networks as facenet-pytorch computes them. Implements ``MtcnnNetworks``."""

    def __init__(self) -> None:
        self._pnet = shared(
            ("openvino pooled pnet", "f32"),
            lambda: lru_cache(IMAGE_SIZES)(
                lambda height, width, sizes: Requests(
                    graphs.pooled_pnet(tensors("pnet"), height, width, sizes), "f32"
                )
            ),
        )
        self._rnet = _rnet("f32", np.float32)
        self._onet = _onet("f32", np.float32)

    def pnet(self, images: Sequence[FrameImage], sizes: Sizes) -> list[list[Float32]]:
        pnet = self._pnet(*images[0].shape, sizes)
        return pnet.run([[p.rgb()[None]] for p in images])

    def rnet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        offsets, scores = self._rnet.batch(_area_crops(images, parts, RNET_SIZE))
        return offsets, scores

    def onet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32, Float32]:
        offsets, points, scores = self._onet.batch(_area_crops(images, parts, ONET_SIZE))
        return offsets, points, scores

    def onet_and_rnet(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        return *self.onet(images, parts), self.rnet(images, parts)[1]


def _area_crops(images: Sequence[FrameImage], parts: Parts, size: int) -> Float32:
    """``(k, size, size, 3)`` the parts, resampled by exact area means."""
    crops = np.empty((len(parts.corners), size, size, 3), np.float32)
    for crop, corners, k in zip(crops, parts.corners.tolist(), parts.images, strict=True):
        crop[:] = area_resized(images[k].part(*corners), size)
    return crops


def area_resized(part: Image, size: int) -> Float32:
    """Adaptive average pooling, as PyTorch and facenet-pytorch do it.

    Output pixel ``i`` of ``o`` is the mean of input pixels ``floor(i n / o)`` to
    ``ceil((i + 1) n / o)``, so pixels are repeated where the part is smaller than the output.

    Args:
        part: ``(height, width, 3)`` uint8.
        size: of the output, ``(size, size, 3)`` float32, 0 to 255.
    """
    rows, columns = _means(part.shape[0], size), _means(part.shape[1], size)
    height, width = part.shape[:2]
    by_rows = rows @ part.reshape(height, width * 3).astype(np.float32)
    by_columns = columns @ by_rows.reshape(size, width, 3)
    return np.asarray(by_columns, np.float32)


@lru_cache(maxsize=4096)
def _means(n: int, size: int) -> NDArray[np.float32]:
    """``(size, n)`` matrix that takes the mean of each output's pixels. It is shared: read only."""
    i = np.arange(size)
    first, end = i * n // size, -(-(i + 1) * n // size)
    at = np.arange(n)
    inside = (at >= first[:, None]) & (at < end[:, None])
    return np.asarray(inside / (end - first)[:, None], np.float32)


def _rnet(precision: str, pixels: type) -> Requests:
    return shared(
        ("openvino rnet", precision, pixels),
        lambda: Requests(graphs.rnet(tensors("rnet"), pixels), precision),
    )


def _onet(precision: str, pixels: type) -> Requests:
    return shared(
        ("openvino onet", precision, pixels),
        lambda: Requests(graphs.onet(tensors("onet"), pixels), precision),
    )
