"""MTCNN on OpenVINO.

With ``dense`` detection the cascade is facenet-pytorch's to the last digits: float32, every
pyramid level pooled from the frame. On key frames only it need not be: libswscale makes the first
level and each later one is made from the one before, crops are cut from the decoder's planes, and
bfloat16 is used where the CPU has it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from facetrack.core.boxes import Indices
from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Faces, Float32
from facetrack.detection.mtcnn.area import area_resized
from facetrack.detection.mtcnn.cascade import (
    EXACT,
    ONET_SIZE,
    RNET_SIZE,
    Cascade,
    CascadeConfig,
    Parts,
    refined,
)
from facetrack.media.frame_image import FrameImage
from facetrack.media.sampling import samples, thumbnails
from facetrack.models import openvino_graphs as networks
from facetrack.models.weights import tensors
from facetrack.runtime.batching import SMALLEST
from facetrack.runtime.openvino_requests import Requests

IMAGE_SIZES = 4
"""Graphs are made for one frame size; those of the last few sizes are kept."""
TOGETHER = 8
"""Frames that go through the cascade together: beyond it a CPU gains nothing."""
QUICK = CascadeConfig(pnet_threshold=0.75, nms=0.5, second_look=True)
"""Half the crops for R- and O-Net, the same faces."""

Sizes = tuple[tuple[int, int], ...]


class QuickLook:
    """Implements ``LookNetwork``."""

    def __init__(self, precision: str) -> None:
        self._look = shared(
            ("openvino look", precision),
            lambda: Requests(networks.look(tensors("onet"), tensors("rnet")), precision),
        )

    def look(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        crops = thumbnails(images, parts.images, parts.corners, ONET_SIZE)
        offsets, points, surely, likely = self._look.batch(crops)
        return offsets, points, surely, likely


class OpenVinoLook:
    """Looks at squares without the rest of the cascade."""

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        self._settings = settings
        self._look = QuickLook(precision)

    def refine(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of ``(n, 4)`` squares in ``images[of_image]``; rows in order."""
        return refined(self._look, self._settings, images, of_image, anchors)


class OpenVinoMtcnn:
    """Implements ``Detector``, and looks at expected faces too."""

    name = "mtcnn"
    smallest_batch = SMALLEST
    frames_ahead = 1  # of one more call

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        if settings.on_every_frame:
            self._cascade = Cascade(_ExactMtcnn(), settings, EXACT)
        else:
            self._cascade = Cascade(QuickMtcnn(precision), settings, QUICK)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for i in range(0, len(images), TOGETHER):
            yield from self._cascade.detect(images[i : i + TOGETHER])

    def refine(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of ``(n, 4)`` squares in ``images[of_image]``; rows in order."""
        return self._cascade.refine(images, of_image, anchors)


class _ExactMtcnn:
    """Implements the cascade's ``Networks`` as facenet-pytorch computes them."""

    def __init__(self) -> None:
        self._pnet = lru_cache(IMAGE_SIZES)(
            lambda height, width, sizes: Requests(
                networks.pooled_pnet(tensors("pnet"), height, width, sizes), "f32"
            )
        )
        self._rnet = _rnet("f32", np.float32)
        self._onet = _onet("f32", np.float32)

    def propose(self, images: Sequence[FrameImage], sizes: Sizes) -> list[list[Float32]]:
        pnet = self._pnet(*images[0].shape, sizes)
        return pnet.run([[p.rgb()[None]] for p in images])

    def refine(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        offsets, scores = self._rnet.batch(_means(images, parts, RNET_SIZE))
        return offsets, scores

    def decide(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32]:
        offsets, points, scores = self._onet.batch(_means(images, parts, ONET_SIZE))
        return offsets, points, scores

    def look(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        return *self.decide(images, parts), self.refine(images, parts)[1]


class QuickMtcnn(QuickLook):
    """Implements the cascade's ``Networks`` for key frames."""

    def __init__(self, precision: str) -> None:
        super().__init__(precision)
        self._pnet = lru_cache(IMAGE_SIZES)(
            lambda sizes: Requests(networks.chained_pnet(tensors("pnet"), sizes), precision)
        )
        self._rnet = _rnet(precision, np.uint8)
        self._onet = _onet(precision, np.uint8)

    def propose(self, images: Sequence[FrameImage], sizes: Sizes) -> list[list[Float32]]:
        height, width = (side & ~1 for side in sizes[0])  # even ones are scaled faster
        pnet = self._pnet(((height, width), *sizes[1:]))
        return pnet.run([[p.scaled(height, width)[None]] for p in images])

    def refine(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        offsets, scores = self._rnet.batch(
            samples(images, parts.images, parts.corners, RNET_SIZE)  # enough to drop most
        )
        return offsets, scores

    def decide(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32]:
        crops = thumbnails(images, parts.images, parts.corners, ONET_SIZE)
        offsets, points, scores = self._onet.batch(crops)
        return offsets, points, scores


def _means(images: Sequence[FrameImage], parts: Parts, size: int) -> Float32:
    """Crops by exact area means."""
    crops = np.empty((len(parts.corners), size, size, 3), np.float32)
    for crop, corners, k in zip(crops, parts.corners.tolist(), parts.images, strict=True):
        crop[:] = area_resized(images[k].part(*corners), size)
    return crops


def _rnet(precision: str, pixels: type) -> Requests:
    return shared(
        ("openvino rnet", precision, pixels),
        lambda: Requests(networks.rnet(tensors("rnet"), pixels), precision),
    )


def _onet(precision: str, pixels: type) -> Requests:
    return shared(
        ("openvino onet", precision, pixels),
        lambda: Requests(networks.onet(tensors("onet"), pixels), precision),
    )
