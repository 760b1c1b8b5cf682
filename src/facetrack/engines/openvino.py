"""The CPU engine: OpenVINO, no torch.

With ``dense`` detection the cascade is facenet-pytorch's to the last digits: float32, every
pyramid level pooled from the picture. On key frames only it need not be: levels are made one from
another, crops are cut from the decoder's planes, and bfloat16 is used where the CPU has it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.detection.area import area_resized
from facetrack.detection.boxes import Indices
from facetrack.detection.mtcnn import EXACT, ONET_SIZE, RNET_SIZE, Candidature, Cascade, Parts
from facetrack.engines import openvino_networks as networks
from facetrack.engines.openvino_requests import Requests
from facetrack.media.picture import Picture
from facetrack.models.registry import shared
from facetrack.models.weights import recognizer_tensors, tensors
from facetrack.settings import DetectionSettings, IdentitySettings
from facetrack.types import Faces, Float32

PICTURE_SIZES = 4
"""Graphs are made for one picture size; those of the last few sizes are kept."""
TOGETHER = 8
"""Pictures that go through the cascade together: beyond it a CPU gains nothing."""
QUICK = Candidature(pnet_threshold=0.75, nms=0.5)
"""Half the crops for R- and O-Net, the same faces."""

Sizes = tuple[tuple[int, int], ...]


class OpenVinoEngine:
    """Implements ``Engine``. Compiled networks are shared by all engines of a process.

    Raises:
        WeightsError: on opening, when weights are missing or are others than expected.
    """

    def __init__(self, detection: DetectionSettings, identity: IdentitySettings) -> None:
        precision = "f32" if detection.dense else quick_precision()
        self.name = f"openvino cpu {precision}"
        if detection.dense:
            self._cascade = Cascade(_ExactMtcnn(), detection, EXACT)
        else:
            self._cascade = Cascade(_QuickMtcnn(precision), detection, QUICK)
        self._embedder = _embedder(identity, precision)

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        for i in range(0, len(pictures), TOGETHER):
            yield from self._cascade.detect(pictures[i : i + TOGETHER])

    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        return self._cascade.refine(pictures, of_picture, anchors)

    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        return self._embedder.batch(chips)[0]


def quick_precision() -> str:
    """``bf16`` where the CPU computes with it, else ``f32``."""
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "f32"


class _ExactMtcnn:
    """Implements the cascade's ``Networks`` as facenet-pytorch computes them."""

    def __init__(self) -> None:
        self._pnets = _Pictures(
            lambda height, width, sizes: Requests(
                networks.pooled_pnet(tensors("pnet"), height, width, sizes), "f32"
            )
        )
        self._rnet = _rnet("f32", np.float32)
        self._onet = _onet("f32", np.float32)

    def propose(self, pictures: Sequence[Picture], sizes: Sizes) -> list[list[Float32]]:
        return self._pnets.get(*pictures[0].shape, sizes).run([[p.rgb()[None]] for p in pictures])

    def refine(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32]:
        offsets, scores = self._rnet.batch(_means(pictures, parts, RNET_SIZE))
        return offsets, scores

    def decide(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32, Float32]:
        offsets, points, scores = self._onet.batch(_means(pictures, parts, ONET_SIZE))
        return offsets, points, scores

    def look(
        self, pictures: Sequence[Picture], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        return *self.decide(pictures, parts), self.refine(pictures, parts)[1]


class _QuickMtcnn:
    """Implements the cascade's ``Networks`` for key frames."""

    def __init__(self, precision: str) -> None:
        self._pnets = _Pictures(
            lambda height, width, sizes: Requests(
                networks.chained_pnet(tensors("pnet"), height, width, sizes), precision
            )
        )
        self._rnet = _rnet(precision, np.uint8)
        self._onet = _onet(precision, np.uint8)

    def propose(self, pictures: Sequence[Picture], sizes: Sizes) -> list[list[Float32]]:
        return self._pnets.get(*pictures[0].shape, sizes).run([[p.rgb()[None]] for p in pictures])

    def refine(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32]:
        offsets, scores = self._rnet.batch(_points(pictures, parts, RNET_SIZE))
        return offsets, scores

    def decide(self, pictures: Sequence[Picture], parts: Parts) -> tuple[Float32, Float32, Float32]:
        offsets, points, scores = self._onet.batch(_thumbnails(pictures, parts, ONET_SIZE))
        return offsets, points, scores

    def look(
        self, pictures: Sequence[Picture], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        crops = _thumbnails(pictures, parts, ONET_SIZE)
        offsets, points, scores = self._onet.batch(crops)
        quarters = crops.reshape(-1, RNET_SIZE, 2, RNET_SIZE, 2, 3).astype(np.uint16)
        halved = (quarters.sum(axis=(2, 4), dtype=np.uint16) // 4).astype(np.uint8)
        return offsets, points, scores, self._rnet.batch(halved)[1]


class _Pictures:
    """Networks made for one picture size each, the last few kept."""

    def __init__(self, make: Callable[[int, int, Sizes], Requests]) -> None:
        self._make = make
        self._made: OrderedDict[tuple[int, int, Sizes], Requests] = OrderedDict()

    def get(self, height: int, width: int, sizes: Sizes) -> Requests:
        key = (height, width, sizes)
        if key not in self._made:
            self._made[key] = self._make(*key)
            if len(self._made) > PICTURE_SIZES:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


def _means(pictures: Sequence[Picture], parts: Parts, size: int) -> Float32:
    """Crops by exact area means."""
    crops = np.empty((len(parts.corners), size, size, 3), np.float32)
    for crop, corners, k in zip(crops, parts.corners.tolist(), parts.pictures, strict=True):
        crop[:] = area_resized(pictures[k].part(*corners), size)
    return crops


def _thumbnails(pictures: Sequence[Picture], parts: Parts, size: int) -> NDArray[np.uint8]:
    crops = np.empty((len(parts.corners), size, size, 3), np.uint8)
    for k in np.unique(parts.pictures):
        mine = np.flatnonzero(parts.pictures == k)
        crops[mine] = pictures[k].thumbnails(parts.corners[mine], size)
    return crops


def _points(pictures: Sequence[Picture], parts: Parts, size: int) -> NDArray[np.uint8]:
    """Crops of one sample a pixel: enough to tell what is surely no face, and all at once."""
    width = pictures[0].shape[1]
    steps = (np.arange(size) + 0.5) / size
    x1, y1, x2, y2 = parts.corners.T[:, :, None]
    columns = (x1 + (x2 - x1) * steps).astype(np.intp)
    rows = (y1 + (y2 - y1) * steps).astype(np.intp)
    at = rows[:, :, None] * width + columns[:, None]
    crops = np.empty((len(rows), size, size, 3), np.uint8)
    for k in np.unique(parts.pictures):
        mine = np.flatnonzero(parts.pictures == k)
        crops[mine] = np.take(pictures[k].rgb().reshape(-1, 3), at[mine], axis=0)
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


def _embedder(identity: IdentitySettings, precision: str) -> Requests:
    return shared(
        ("openvino", identity.recognizer, identity.weights, precision),
        lambda: Requests(networks.inception_resnet_v1(recognizer_tensors(identity)), precision),
    )
