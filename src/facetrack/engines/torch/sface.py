"""SFace in torch, from the same arrays as the OpenVINO graph."""

import torch.nn.functional as F
from torch import Tensor

from facetrack.engines.torch.networks import Layers
from facetrack.models.convert import SFACE_LAYERS

STRIDED = (3, 5, 7, 13)
"""Layers whose depthwise convolution halves the height and the width."""


def sface(net: Layers, x: Tensor) -> Tensor:
    """``(n, 3, 112, 112)`` RGB, already ``(x - 127.5) / 128``, to ``(n, 128)`` float32 of length
    one."""
    x = _prelu(net, net.conv(x, "conv1", pad=(1, 1)), "conv1")
    for i in SFACE_LAYERS:
        x = _prelu(net, net.depthwise(x, f"dw{i}", 2 if i in STRIDED else 1), f"dw{i}")
        x = _prelu(net, net.conv(x, f"pw{i}"), f"pw{i}")
    return F.normalize(net.dense(x.flatten(1), "fc").float(), dim=1)


def _prelu(net: Layers, x: Tensor, name: str) -> Tensor:
    return F.prelu(x, net[f"{name}.prelu"])
