"""SFace as an OpenVINO graph: thirteen depthwise-separable convolutions, one dense layer.

SFace: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition" (TIP
2021); a network like MobileFaceNet, as OpenCV Zoo publishes it (face_recognition_sface_2021dec).
"""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import SFACE_LAYERS, Tensors
from facetrack.models.openvino_graphs import Layers, fixed, normalised, to_planes

STRIDED = (3, 5, 7, 13)
"""Layers whose depthwise convolution halves the height and the width."""


def sface(tensors: Tensors) -> ov.Model:
    """``(n, 112, 112, 3)`` uint8 RGB, aligned, to ``(n, 128)`` float32 of length one."""
    net = Layers(tensors)
    crops = ops.parameter([-1, 112, 112, 3], np.uint8)
    x = normalised(to_planes(crops))
    x = _prelu(net, net.conv(x, "conv1", pad=(1, 1)), "conv1")
    for i in SFACE_LAYERS:
        x = _prelu(net, net.depthwise(x, f"dw{i}", 2 if i in STRIDED else 1), f"dw{i}")
        x = _prelu(net, net.conv(x, f"pw{i}"), f"pw{i}")
    x = net.dense(ops.reshape(x, np.array([0, -1]), True), "fc")
    x = ops.normalize_l2(x, np.array([1]), 1e-10, "add")
    return ov.Model([x], [crops], "sface")


def _prelu(net: Layers, x: ov.Node, name: str) -> ov.Node:
    return ops.prelu(x, fixed(net[f"{name}.prelu"]))
