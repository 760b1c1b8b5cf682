"""InceptionResnetV1 as an OpenVINO graph, with its preprocessing and the L2 norm of its output."""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import BATCH_NORM_EPSILON, Tensors
from facetrack.models.openvino_graphs import Layers, fixed, max_pool, normalised, to_planes
from facetrack.recognition.inception_resnet_v1 import trunk


def inception_resnet_v1(tensors: Tensors) -> ov.Model:
    """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` float32 of length one."""
    net = _TrunkLayers(tensors)
    crops = ops.parameter([-1, 160, 160, 3], np.uint8)
    x = trunk(net, normalised(to_planes(crops)))
    x = ops.reduce_mean(x, np.array([2, 3]), False)
    x = ops.matmul(x, fixed(net["last_linear.weight"]), False, True)
    gain = net["last_bn.weight"] / np.sqrt(net["last_bn.running_var"] + BATCH_NORM_EPSILON)
    shift = net["last_bn.bias"] - net["last_bn.running_mean"] * gain
    x = ops.add(ops.multiply(x, gain), shift)
    x = ops.normalize_l2(x, np.array([1]), 1e-10, "add")
    return ov.Model([x], [crops], "inception_resnet_v1")


class _TrunkLayers(Layers):
    """Implements ``TrunkLayers``."""

    def residual(
        self, x: ov.Node, branches: Sequence[ov.Node], name: str, scale: float, relu: bool
    ) -> ov.Node:
        y = self.conv(self.joined(branches), name)
        y = ops.add(ops.multiply(y, np.float32(scale)), x)
        return ops.relu(y) if relu else y

    def joined(self, branches: Sequence[ov.Node]) -> ov.Node:
        return ops.concat(list(branches), 1)

    def pooled(self, x: ov.Node) -> ov.Node:
        return max_pool(x, 3)
