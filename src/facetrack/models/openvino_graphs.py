"""The OpenVINO layers that the networks' graphs are built of.

Arithmetic before and after a network is part of its graph, so that one request does all of it.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import Tensors

PIXEL_MEAN, PIXEL_SCALE = np.float32(127.5), np.float32(1 / 128)
"""MTCNN, SFace and InceptionResnetV1 take ``(pixel - PIXEL_MEAN) * PIXEL_SCALE``."""


class Layers:
    """The arrays of one network, and its layers. Values are ``(n, channels, height, width)``."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def conv(
        self, x: ov.Node, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> ov.Node:
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        y = ops.convolution(x, fixed(weight), [stride, stride], list(pad), list(pad), [1, 1])
        return ops.add(y, fixed(bias.reshape(1, -1, 1, 1)))

    def depthwise(self, x: ov.Node, name: str, stride: int = 1) -> ov.Node:
        """A depthwise 3 x 3 convolution, padded with zeros."""
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        grouped = fixed(weight[:, :, None])
        y = ops.group_convolution(x, grouped, [stride] * 2, [1, 1], [1, 1], [1, 1])
        return ops.add(y, fixed(bias.reshape(1, -1, 1, 1)))

    def conv_relu(
        self, x: ov.Node, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> ov.Node:
        return ops.relu(self.conv(x, f"{name}.conv", stride, pad))

    def prelu(self, x: ov.Node, name: str) -> ov.Node:
        return ops.prelu(x, fixed(self[f"{name}.weight"]))

    def dense(self, x: ov.Node, name: str) -> ov.Node:
        y = ops.matmul(x, fixed(self[f"{name}.weight"]), False, True)
        return ops.add(y, fixed(self[f"{name}.bias"]))

    def __getitem__(self, name: str) -> np.ndarray:
        return self._tensors[name]


def fixed(values: np.ndarray) -> ov.Node:
    """A constant. ``ops.constant`` is fast; OpenVINO's own conversion of a NumPy operand takes a
    second for 23 million numbers."""
    return ops.constant(values)


def max_pool(x: ov.Node, kernel: int, ceil: bool = False) -> ov.Node:
    """Max pooling over ``kernel`` x ``kernel`` values with a stride of 2. ``ceil``: whether the
    last window may reach past the edge."""
    rounding = "ceil" if ceil else "floor"
    pooled = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [kernel, kernel], rounding, "explicit")
    return pooled.output(0)


def to_planes(image: ov.Node) -> ov.Node:
    """``(n, h, w, 3)`` uint8 to ``(n, 3, h, w)`` float32."""
    return ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2]))


def normalised(planes: ov.Node) -> ov.Node:
    """Pixels 0 to 255 as the networks take them, -1 to 1."""
    return ops.multiply(ops.subtract(planes, PIXEL_MEAN), PIXEL_SCALE)
