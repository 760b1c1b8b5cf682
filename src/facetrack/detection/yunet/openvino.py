"""YuNet on OpenVINO: the detector, and the network as a graph.

The network has a small backbone, a feature pyramid and four heads at three strides (see
``decoding``). It is the one that OpenCV Zoo publishes as face_detection_yunet_2023mar.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.core.settings import DetectionSettings
from facetrack.core.shared import shared
from facetrack.core.types import Faces, Float32, Image
from facetrack.detection.yunet.decoding import Yunet
from facetrack.media.frame_image import FrameImage
from facetrack.models.convert import YUNET_HEADS, Tensors
from facetrack.models.openvino_graphs import Layers, max_pool, to_planes
from facetrack.models.weights import tensors
from facetrack.runtime.batching import SMALLEST
from facetrack.runtime.openvino_requests import Requests

FRAMES_AT_ONCE = 8
"""Frames in one run of the network. A CPU gains nothing from more."""
IMAGE_SIZES = 4
"""Number of frame sizes whose graphs are kept; a graph is compiled for one size."""


class OpenVinoYunet:
    """Implements ``Detector``."""

    name = "yunet"
    smallest_batch = SMALLEST
    frames_ahead = 1

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        graphs = shared(("openvino yunet", precision), lambda: _YunetGraphs(precision))
        self._yunet = Yunet(graphs, settings)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for i in range(0, len(images), FRAMES_AT_ONCE):
            yield from self._yunet.detect(images[i : i + FRAMES_AT_ONCE])


class _YunetGraphs:
    """Implements ``YunetNetwork`` with one compiled graph for each frame size."""

    def __init__(self, precision: str) -> None:
        self._of_size = lru_cache(IMAGE_SIZES)(
            lambda height, width: Requests(yunet(tensors("yunet"), height, width), precision)
        )

    def run(self, images: Sequence[Image]) -> list[list[Float32]]:
        height, width = images[0].shape[:2]
        return self._of_size(height, width).run([[image[None]] for image in images])


def yunet(arrays: Tensors, height: int, width: int) -> ov.Model:
    """``(1, height, width, 3)`` uint8 RGB to three outputs for each of the strides 8, 16 and 32.

    A stride's outputs are scores ``(1, 2, h, w)`` (class and objectness, 0 to 1), boxes
    ``(1, 4, h, w)`` and landmarks ``(1, 10, h, w)``, the last two raw.

    Args:
        arrays: the network's weights.
        height: of the input, a multiple of 32.
        width: of the input, a multiple of 32.
    """
    net = Layers(arrays)
    image = ops.parameter([1, height, width, 3], np.uint8)
    bgr = ops.gather(to_planes(image), np.array([2, 1, 0]), np.array(1))
    x = ops.relu(net.conv(bgr, "stem", stride=2, pad=(1, 1)))
    x = _unit(net, x, "stage0")
    x = _unit(net, _unit(net, max_pool(x, 2), "stage1a"), "stage1b")
    x = _unit(net, _unit(net, x, "stage2a"), "stage2b")
    features = []
    for stage in ("stage3", "stage4", "stage5"):
        x = _unit(net, _unit(net, max_pool(x, 2), f"{stage}a"), f"{stage}b")
        features.append(x)
    outputs = []
    above: ov.Node | None = None
    for i in (2, 1, 0):
        x = features[i] if above is None else ops.add(features[i], _doubled(above))
        above = features[i] = _unit(net, x, f"neck{i}")
    for i, x in enumerate(features):
        found = {head: _separable(net, x, f"{head}{i}") for head in YUNET_HEADS}
        scores = ops.sigmoid(ops.concat([found["cls"], found["obj"]], 1))
        outputs += [scores, found["bbox"], found["kps"]]
    return ov.Model(outputs, [image], "yunet")


def _unit(net: Layers, x: ov.Node, name: str) -> ov.Node:
    return ops.relu(_separable(net, x, name))


def _separable(net: Layers, x: ov.Node, name: str) -> ov.Node:
    return net.depthwise(net.conv(x, f"{name}.pw"), f"{name}.dw")


def _doubled(x: ov.Node) -> ov.Node:
    """Height and width doubled; each value is repeated."""
    scales = np.array([2.0, 2.0], np.float32)
    return ops.interpolate(
        x,
        scales,
        "nearest",
        "scales",
        axes=np.array([2, 3]),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
