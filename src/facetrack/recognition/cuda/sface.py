"""SFace in torch, from the same weights as the OpenVINO graph."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.cuda.layers import Layers, normalised
from facetrack.models.convert import SFACE_LAYERS, SFACE_STRIDED


def sface_on(net: Layers, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network: ``(n, 112, 112, 3)`` uint8 RGB, aligned, to ``(n, 128)`` float32 of length one.

    On a GPU it is made of Triton kernels, elsewhere of torch's own layers.
    """
    if device.type == "cuda":
        return _on_gpu(net)
    return lambda crops: sface(net, normalised(crops, net["fc.weight"].dtype))


def sface(net: Layers, x: Tensor) -> Tensor:
    """``(n, 128)`` float32 of length one, by torch's own layers.

    Args:
        net: the weights.
        x: ``(n, 3, 112, 112)`` RGB as ``(value - 127.5) / 128``.
    """
    x = _prelu(net, net.conv(x, "conv1", pad=(1, 1)), "conv1")
    for i in SFACE_LAYERS:
        x = _prelu(net, net.depthwise(x, f"dw{i}", _stride(i)), f"dw{i}")
        x = _prelu(net, net.conv(x, f"pw{i}"), f"pw{i}")
    return F.normalize(net.dense(x.flatten(1), "fc").float(), dim=1)


def _on_gpu(net: Layers) -> Callable[[Tensor], Tensor]:
    from facetrack.recognition.cuda.separable import (
        FirstLayer,
        Separable,
        first_layer,
        separable,
    )

    first = FirstLayer.of(net, "conv1")
    layers = [Separable.of(net, f"dw{i}", f"pw{i}", _stride(i)) for i in SFACE_LAYERS]
    weight, bias = net["fc.weight"], net["fc.bias"]
    channels = layers[-1].weight.shape[1]
    # The last layer's inputs are ordered pixel by pixel here, channel by channel in the file.
    weight = weight.view(len(weight), channels, -1).transpose(1, 2).flatten(1).contiguous()

    def network(crops: Tensor) -> Tensor:
        x = first_layer(crops, first)
        for layer in layers:
            x = separable(x, layer)
        return F.normalize(F.linear(x.flatten(1), weight, bias).float(), dim=1)

    return network


def _stride(i: int) -> int:
    return 2 if i in SFACE_STRIDED else 1


def _prelu(net: Layers, x: Tensor, name: str) -> Tensor:
    return F.prelu(x, net[f"{name}.prelu"])
