"""Builds the networks as OpenVINO graphs from their arrays.

Everything around them that is arithmetic goes into the graph too: the area resize and
normalisation before P-Net, the preprocessing and the L2 norm of InceptionResnetV1.
"""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import BATCH_NORM_EPSILON, Tensors

PIXEL_MEAN = np.float32(127.5)
DETECTOR_SCALE = np.float32(0.0078125)
EMBEDDER_SCALE = np.float32(1 / 128)


class Layers:
    """The arrays of a network, and the layers that networks share; values are ``(n, channels,
    height, width)`` throughout."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def conv(
        self, x: ov.Node, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> ov.Node:
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        y = ops.convolution(x, fixed(weight), [stride, stride], list(pad), list(pad), [1, 1])
        return ops.add(y, fixed(bias.reshape(1, -1, 1, 1)))

    def depthwise(self, x: ov.Node, name: str, stride: int = 1) -> ov.Node:
        """Each channel by a kernel of its own, 3 x 3, the edges filled with zeros."""
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
    """What OpenVINO does by itself with an array takes a second for 23 million numbers."""
    return ops.constant(values)


def pooled_pnet(
    tensors: Tensors, height: int, width: int, sizes: Sequence[tuple[int, int]]
) -> ov.Model:
    """P-Net over frames of one size, each pyramid level pooled from the frame.

    Input ``(1, height, width, 3)`` uint8 RGB. For each ``(height, width)`` of ``sizes`` two
    outputs: offsets ``(1, 4, h, w)`` and face probability ``(1, h, w)``.
    """
    image = ops.parameter([1, height, width, 3], np.uint8)
    planes = to_planes(image)
    levels = [ops.adaptive_avg_pool(planes, np.array(size)) for size in sizes]
    return _pnets(tensors, image, levels)


def chained_pnet(tensors: Tensors, sizes: Sequence[tuple[int, int]]) -> ov.Model:
    """As ``pooled_pnet``, from the first level's frame, each later level made bilinearly from
    the one before: several times cheaper."""
    image = ops.parameter([1, *sizes[0], 3], np.uint8)
    levels = [to_planes(image)]
    axes = np.array([2, 3])
    for size in sizes[1:]:
        levels.append(
            ops.interpolate(levels[-1], np.array(size), "linear_onnx", "sizes", axes=axes)
        )
    return _pnets(tensors, image, levels)


def _pnets(tensors: Tensors, image: ov.Node, levels: list[ov.Node]) -> ov.Model:
    outputs = [out for level in levels for out in pnet(Layers(tensors), _normalised(level))]
    return ov.Model(outputs, [image], "pnet")


def pnet(layers: Layers, x: ov.Node) -> list[ov.Node]:
    """P-Net's layers on ``(n, 3, h, w)``: offsets ``(n, 4, h', w')`` and probabilities."""
    x = layers.prelu(layers.conv(x, "conv1"), "prelu1")
    x = max_pool(x, 2, ceil=True)
    x = layers.prelu(layers.conv(x, "conv2"), "prelu2")
    x = layers.prelu(layers.conv(x, "conv3"), "prelu3")
    return [layers.conv(x, "conv4_2"), _face_probability(layers.conv(x, "conv4_1"))]


def rnet(tensors: Tensors, pixels: type = np.float32) -> ov.Model:
    """``(n, 24, 24, 3)`` RGB 0..255 to offsets ``(n, 4)`` and probability ``(n,)``."""
    crops = ops.parameter([-1, 24, 24, 3], pixels)
    return ov.Model(_rnet(Layers(tensors), to_planes(crops)), [crops], "rnet")


def onet(tensors: Tensors, pixels: type = np.float32) -> ov.Model:
    """``(n, 48, 48, 3)`` RGB 0..255 to offsets, landmarks ``(n, 10)``, probability."""
    crops = ops.parameter([-1, 48, 48, 3], pixels)
    return ov.Model(_onet(Layers(tensors), to_planes(crops)), [crops], "onet")


def look(onet_tensors: Tensors, rnet_tensors: Tensors) -> ov.Model:
    """``(n, 48, 48, 3)`` uint8 RGB to what O-Net gives, and R-Net's probability for the same
    crops at half the size."""
    crops = ops.parameter([-1, 48, 48, 3], np.uint8)
    planes = ops.convert(to_planes(crops), "f32")
    no_pad = [0, 0]
    half = ops.avg_pool(planes, [2, 2], no_pad, no_pad, [2, 2], True)
    _, likely = _rnet(Layers(rnet_tensors), half)
    return ov.Model([*_onet(Layers(onet_tensors), planes), likely], [crops], "look")


def _rnet(layers: Layers, planes: ov.Node) -> list[ov.Node]:
    x = _normalised(planes)
    x = max_pool(layers.prelu(layers.conv(x, "conv1"), "prelu1"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv2"), "prelu2"), 3, ceil=True)
    x = layers.prelu(layers.conv(x, "conv3"), "prelu3")
    x = layers.prelu(layers.dense(_flat(x), "dense4"), "prelu4")
    return [layers.dense(x, "dense5_2"), _face_probability(layers.dense(x, "dense5_1"))]


def _onet(layers: Layers, planes: ov.Node) -> list[ov.Node]:
    x = _normalised(planes)
    x = max_pool(layers.prelu(layers.conv(x, "conv1"), "prelu1"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv2"), "prelu2"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv3"), "prelu3"), 2, ceil=True)
    x = layers.prelu(layers.conv(x, "conv4"), "prelu4")
    x = layers.prelu(layers.dense(_flat(x), "dense5"), "prelu5")
    return [
        layers.dense(x, "dense6_2"),
        layers.dense(x, "dense6_3"),
        _face_probability(layers.dense(x, "dense6_1")),
    ]


def inception_resnet_v1(tensors: Tensors) -> ov.Model:
    """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` float32 of length one."""
    net = Layers(tensors)
    chips = ops.parameter([-1, 160, 160, 3], np.uint8)
    x = ops.multiply(ops.subtract(to_planes(chips), PIXEL_MEAN), EMBEDDER_SCALE)
    x = net.conv_relu(x, "conv2d_1a", stride=2)
    x = net.conv_relu(x, "conv2d_2a")
    x = net.conv_relu(x, "conv2d_2b", pad=(1, 1))
    x = max_pool(x, 3)
    x = net.conv_relu(x, "conv2d_3b")
    x = net.conv_relu(x, "conv2d_4a")
    x = net.conv_relu(x, "conv2d_4b", stride=2)
    for i in range(5):
        x = _block35(net, x, f"repeat_1.{i}")
    x = _mixed_6a(net, x)
    for i in range(10):
        x = _block(net, x, f"repeat_2.{i}", reach=3, scale=0.10)
    x = _mixed_7a(net, x)
    for i in range(5):
        x = _block(net, x, f"repeat_3.{i}", reach=1, scale=0.20)
    x = _block(net, x, "block8", reach=1, scale=1.0, relu=False)
    x = ops.reduce_mean(x, np.array([2, 3]), False)
    x = ops.matmul(x, fixed(net["last_linear.weight"]), False, True)
    gain = net["last_bn.weight"] / np.sqrt(net["last_bn.running_var"] + BATCH_NORM_EPSILON)
    shift = net["last_bn.bias"] - net["last_bn.running_mean"] * gain
    x = ops.add(ops.multiply(x, gain), shift)
    x = ops.normalize_l2(x, np.array([1]), 1e-10, "add")
    return ov.Model([x], [chips], "inception_resnet_v1")


def _block35(net: Layers, x: ov.Node, name: str) -> ov.Node:
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(1, 1))
    c = net.conv_relu(x, f"{name}.branch2.0")
    c = net.conv_relu(c, f"{name}.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, f"{name}.branch2.2", pad=(1, 1))
    return _residual(net, x, [a, b, c], name, 0.17, relu=True)


def _block(
    net: Layers, x: ov.Node, name: str, reach: int, scale: float, relu: bool = True
) -> ov.Node:
    """Block17 (kernels of 7, reach 3) and Block8 (kernels of 3, reach 1)."""
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(0, reach))
    b = net.conv_relu(b, f"{name}.branch1.2", pad=(reach, 0))
    return _residual(net, x, [a, b], name, scale, relu)


def _residual(
    net: Layers, x: ov.Node, branches: list[ov.Node], name: str, scale: float, relu: bool
) -> ov.Node:
    y = net.conv(ops.concat(branches, 1), f"{name}.conv2d")
    y = ops.add(ops.multiply(y, np.float32(scale)), x)
    return ops.relu(y) if relu else y


def _mixed_6a(net: Layers, x: ov.Node) -> ov.Node:
    a = net.conv_relu(x, "mixed_6a.branch0", stride=2)
    b = net.conv_relu(x, "mixed_6a.branch1.0")
    b = net.conv_relu(b, "mixed_6a.branch1.1", pad=(1, 1))
    b = net.conv_relu(b, "mixed_6a.branch1.2", stride=2)
    return ops.concat([a, b, max_pool(x, 3)], 1)


def _mixed_7a(net: Layers, x: ov.Node) -> ov.Node:
    a = net.conv_relu(x, "mixed_7a.branch0.0")
    a = net.conv_relu(a, "mixed_7a.branch0.1", stride=2)
    b = net.conv_relu(x, "mixed_7a.branch1.0")
    b = net.conv_relu(b, "mixed_7a.branch1.1", stride=2)
    c = net.conv_relu(x, "mixed_7a.branch2.0")
    c = net.conv_relu(c, "mixed_7a.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, "mixed_7a.branch2.2", stride=2)
    return ops.concat([a, b, c, max_pool(x, 3)], 1)


def max_pool(x: ov.Node, kernel: int, ceil: bool = False) -> ov.Node:
    """Largest of ``kernel`` x ``kernel`` values, at a stride of 2."""
    rounding = "ceil" if ceil else "floor"
    pooled = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [kernel, kernel], rounding, "explicit")
    return pooled.output(0)


def _flat(x: ov.Node) -> ov.Node:
    """Column by column, as the networks were trained: width, height, channel."""
    return ops.reshape(ops.transpose(x, np.array([0, 3, 2, 1])), np.array([0, -1]), True)


def to_planes(image: ov.Node) -> ov.Node:
    """``(n, h, w, 3)`` uint8 to ``(n, 3, h, w)`` float32."""
    return ops.transpose(ops.convert(image, "f32"), np.array([0, 3, 1, 2]))


def _normalised(x: ov.Node) -> ov.Node:
    return ops.multiply(ops.subtract(x, PIXEL_MEAN), DETECTOR_SCALE)


def _face_probability(logits: ov.Node) -> ov.Node:
    """Second of the two classes; the class axis goes."""
    return ops.gather(ops.softmax(logits, 1), np.array(1), np.array(1))
