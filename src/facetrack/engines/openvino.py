"""The CPU engine: OpenVINO in float32, no torch.

Compiled networks are shared by all engines of a process. The P-Net graph is made for one picture
size; the last ``PICTURE_SIZES`` sizes are kept.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.detection.boxes import Indices
from facetrack.detection.mtcnn import Cascade
from facetrack.engines import openvino_networks as networks
from facetrack.models.registry import shared
from facetrack.models.weights import checkpoint_tensors, tensors
from facetrack.settings import DetectionSettings, IdentitySettings
from facetrack.types import Faces, Float32, Image

PICTURE_SIZES = 4
EMBED_BATCH = 32
"""Crops a call: beyond it the CPU gains nothing and memory grows."""
SMALLEST_BATCH = 2
"""A batch of one goes through other kernels, whose last bit differs from all larger ones."""
COMPILE = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


class OpenVinoEngine:
    """Implements ``Engine``.

    Raises:
        WeightsError: on opening, when weights are missing or are others than expected.
    """

    def __init__(self, detection: DetectionSettings, identity: IdentitySettings) -> None:
        self.name = "openvino cpu f32"
        self._cascade = Cascade(_OpenVinoMtcnn(), detection)
        self._embedder = _embedder(identity)

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        """Faces of each picture; all ``(height, width, 3)`` uint8 RGB of one size."""
        return self._cascade.detect(images)

    def refine(self, images: Sequence[Image], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of ``(n, 4)`` squares in ``images[of_image]``; rows in order."""
        return self._cascade.refine(images, of_image, anchors)

    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` float32 of length one."""
        parts = [
            _run_padded(self._embedder, chips[i : i + EMBED_BATCH])[0]
            for i in range(0, len(chips), EMBED_BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 512), np.float32)


class _OpenVinoMtcnn:
    """Implements the cascade's ``Networks``."""

    def __init__(self) -> None:
        self._rnet = shared("openvino rnet", lambda: _compiled(networks.rnet(tensors("rnet"))))
        self._onet = shared("openvino onet", lambda: _compiled(networks.onet(tensors("onet"))))
        self._pnets: OrderedDict[tuple[object, ...], ov.CompiledModel] = OrderedDict()

    def propose(
        self, images: NDArray[np.uint8], sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[Float32, Float32]]:
        outputs = self._pnet(images.shape[1], images.shape[2], tuple(sizes))([images])
        return [(outputs[2 * i], outputs[2 * i + 1]) for i in range(len(sizes))]

    def refine(self, crops: Float32) -> tuple[Float32, Float32]:
        offsets, scores = _run_padded(self._rnet, crops)
        return offsets, scores

    def decide(self, crops: Float32) -> tuple[Float32, Float32, Float32]:
        offsets, points, scores = _run_padded(self._onet, crops)
        return offsets, points, scores

    def _pnet(
        self, height: int, width: int, sizes: tuple[tuple[int, int], ...]
    ) -> ov.CompiledModel:
        key = (height, width, sizes)
        if key not in self._pnets:
            model = networks.pyramid_pnet(tensors("pnet"), height, width, sizes)
            self._pnets[key] = _compiled(model)
            if len(self._pnets) > PICTURE_SIZES:
                self._pnets.popitem(last=False)
        self._pnets.move_to_end(key)
        return self._pnets[key]


def _run_padded(network: ov.CompiledModel, batch: NDArray[Any]) -> list[Float32]:
    """Runs the batch filled up to a power of two; outputs of the fill are cut off.

    OpenVINO prepares kernels anew for every batch size it has not seen: with few sizes it does so
    a few times, with as many sizes as there are candidates in a frame it hardly does else.
    """
    n = len(batch)
    fill = max(SMALLEST_BATCH, 1 << (n - 1).bit_length()) - n
    padded = np.concatenate([batch, np.zeros((fill, *batch.shape[1:]), batch.dtype)])
    outputs = network([padded])
    return [outputs[i][:n].copy() for i in range(len(network.outputs))]


def _embedder(identity: IdentitySettings) -> ov.CompiledModel:
    def make() -> ov.CompiledModel:
        arrays = tensors("casia")
        if identity.recognizer == "vggface2":
            assert identity.weights is not None
            arrays = checkpoint_tensors(identity.weights, arrays)
        return _compiled(networks.inception_resnet_v1(arrays))

    return shared(("openvino", identity.recognizer, identity.weights), make)


def _compiled(model: ov.Model) -> ov.CompiledModel:
    return ov.Core().compile_model(model, "CPU", COMPILE)
