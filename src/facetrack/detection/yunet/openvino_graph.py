"""YuNet as an OpenVINO graph: a small backbone, a feature pyramid, four heads at three strides.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence
Research 2023), as OpenCV Zoo publishes it (face_detection_yunet_2023mar).
"""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import YUNET_HEADS, Tensors
from facetrack.models.openvino_graphs import Layers, max_pool, to_planes


def yunet(tensors: Tensors, height: int, width: int) -> ov.Model:
    """``(1, height, width, 3)`` uint8 RGB to four outputs for strides of 8, 16 and 32, in turn.

    Each stride gives scores ``(1, 2, h, w)`` (class and objectness, 0 to 1), boxes ``(1, 4, h, w)``
    and landmarks ``(1, 10, h, w)``, the last two raw. Sides are multiples of 32.
    """
    net = Layers(tensors)
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
    """Every value four times, as a square of two by two."""
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
