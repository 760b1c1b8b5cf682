"""InceptionResnetV1 as an OpenVINO graph, with its preprocessing and the L2 norm of its output."""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import BATCH_NORM_EPSILON, Tensors
from facetrack.models.openvino_graphs import Layers, fixed, max_pool, normalised, to_planes


def inception_resnet_v1(tensors: Tensors) -> ov.Model:
    """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` float32 of length one."""
    net = Layers(tensors)
    crops = ops.parameter([-1, 160, 160, 3], np.uint8)
    x = normalised(to_planes(crops))
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
    return ov.Model([x], [crops], "inception_resnet_v1")


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
    """Block17 (1 x 7 and 7 x 1 kernels, ``reach`` 3) and Block8 (1 x 3 and 3 x 1, ``reach`` 1)."""
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
