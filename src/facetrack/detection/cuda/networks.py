"""MTCNN and InceptionResnetV1 in torch, from the same arrays as the OpenVINO graphs.

Functions of tensors, no modules: what a CUDA graph captures is what stands here. Arrays may be
float32 or float16; frames are ``(n, 3, height, width)``, RGB, already ``(x - 127.5) / 128``.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.detection.cuda.pixels import normalised
from facetrack.models.convert import BATCH_NORM_EPSILON, Tensors


class Layers:
    """Arrays of one network on a device, and the layers that networks share."""

    def __init__(self, tensors: Tensors, device: torch.device, dtype: torch.dtype) -> None:
        self._arrays: dict[str, Tensor] = {}
        for name, array in tensors.items():
            tensor = torch.from_numpy(np.array(array)).to(device, dtype)
            if tensor.ndim == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self._arrays[name] = tensor
        self._fuses = device.type == "cuda" and dtype == torch.float16
        """Whether cuDNN adds, and cuts below zero, in the kernel of the convolution."""

    def __getitem__(self, name: str) -> Tensor:
        return self._arrays[name]

    def conv(self, x: Tensor, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)) -> Tensor:
        return F.conv2d(x, self[f"{name}.weight"], self[f"{name}.bias"], stride, pad)

    def depthwise(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """Each channel by a kernel of its own, 3 x 3, the edges filled with zeros."""
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        return F.conv2d(x, weight, bias, stride, 1, groups=len(weight))

    def conv_relu(
        self, x: Tensor, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> Tensor:
        if not self._fuses:
            return F.relu_(self.conv(x, f"{name}.conv", stride, pad))
        weight, bias = self[f"{name}.conv.weight"], self[f"{name}.conv.bias"]
        return torch.cudnn_convolution_relu(x, weight, bias, (stride, stride), pad, (1, 1), 1)

    def conv_onto(self, x: Tensor, base: Tensor, name: str, scale: float) -> Tensor:
        """``relu(base + scale * conv(x))``; the convolution is of single pixels."""
        if not self._fuses:
            return F.relu_(torch.add(base, self.conv(x, name), alpha=scale))
        weight, bias = self._scaled(f"{name}.weight", scale), self._scaled(f"{name}.bias", scale)
        return torch.cudnn_convolution_add_relu(
            x, weight, base, 1.0, bias, (1, 1), (0, 0), (1, 1), 1
        )

    def _scaled(self, name: str, scale: float) -> Tensor:
        key = f"{name} x {scale}"
        if key not in self._arrays:
            self._arrays[key] = self[name] * scale
        return self._arrays[key]

    def prelu(self, x: Tensor, name: str) -> Tensor:
        return F.prelu(x, self[f"{name}.weight"].reshape(-1))

    def conv_prelu(self, x: Tensor, i: int, pool: int = 1) -> Tensor:
        """Convolution, PReLU and max pooling over ``pool`` pixels; 1: none."""
        if x.is_cuda:
            from facetrack.cuda.kernels.activation import activated

            raw = F.conv2d(x, self._reaching(f"conv{i}.weight", x.shape[1]))
            return activated(raw, self[f"conv{i}.bias"], self[f"prelu{i}.weight"], pool)
        y = self.prelu(self.conv(x, f"conv{i}"), f"prelu{i}")
        return F.max_pool2d(y, pool, 2, ceil_mode=True) if pool > 1 else y

    def first(self, x: Tensor) -> Tensor:
        """``conv_prelu(x, 1, pool=3)``; on a GPU channels of 0 may follow."""
        if not x.is_cuda:
            return self.conv_prelu(x, 1, pool=3)
        from facetrack.cuda.kernels.first_layers import first_layer, taps_of

        if "conv1.taps" not in self._arrays:
            self._arrays["conv1.taps"] = taps_of(self["conv1.weight"])
        return first_layer(x, self["conv1.taps"], self["conv1.bias"], self["prelu1.weight"])

    def _reaching(self, name: str, channels: int) -> Tensor:
        """Weights for inputs of so many channels; those beyond the network's own count nothing."""
        weight = self[name]
        if weight.shape[1] < channels:
            weight = F.pad(weight, (0, 0, 0, 0, 0, channels - weight.shape[1]))
            self._arrays[name] = weight.contiguous(memory_format=torch.channels_last)
        return self._arrays[name]

    def dense(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])


def pnet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets ``(n, 4, h, w)`` and face probabilities ``(n, h, w)``, float32."""
    x = net.conv_prelu(x, 1, pool=2)
    x = net.conv_prelu(x, 2)
    x = net.conv_prelu(x, 3)
    return net.conv(x, "conv4_2").float(), _face_probability(net.conv(x, "conv4_1"))


def rnet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """24x24 crops to offsets ``(n, 4)`` and probabilities ``(n,)``, float32."""
    x = net.first(x)
    x = net.conv_prelu(x, 2, pool=3)
    x = net.conv_prelu(x, 3)
    x = net.prelu(net.dense(_flat(x), "dense4"), "prelu4")
    return net.dense(x, "dense5_2").float(), _face_probability(net.dense(x, "dense5_1"))


def onet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """48x48 crops to offsets, landmarks ``(n, 10)`` and probabilities, float32."""
    x = net.first(x)
    x = net.conv_prelu(x, 2, pool=3)
    x = net.conv_prelu(x, 3, pool=2)
    x = net.conv_prelu(x, 4)
    x = net.prelu(net.dense(_flat(x), "dense5"), "prelu5")
    return (
        net.dense(x, "dense6_2").float(),
        net.dense(x, "dense6_3").float(),
        _face_probability(net.dense(x, "dense6_1")),
    )


def inception_resnet_v1_on(net: Layers, device: torch.device) -> Callable[[Tensor], Tensor]:
    """``(n, 160, 160, 3)`` uint8 RGB crops to ``(n, 512)`` float32 of length one."""
    dtype = net["last_linear.weight"].dtype
    return lambda crops: inception_resnet_v1(net, normalised(crops, dtype))


def inception_resnet_v1(net: Layers, x: Tensor) -> Tensor:
    """160x160 crops to ``(n, 512)`` float32 of length one."""
    x = net.conv_relu(x, "conv2d_1a", stride=2)
    x = net.conv_relu(x, "conv2d_2a")
    x = net.conv_relu(x, "conv2d_2b", pad=(1, 1))
    x = _pooled(x)
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
    x = F.linear(x.mean(dim=(2, 3)), net["last_linear.weight"]).float()
    gain = net["last_bn.weight"].float() * torch.rsqrt(
        net["last_bn.running_var"].float() + BATCH_NORM_EPSILON
    )
    x = (x - net["last_bn.running_mean"].float()) * gain + net["last_bn.bias"].float()
    return F.normalize(x, dim=1)


def _block35(net: Layers, x: Tensor, name: str) -> Tensor:
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(1, 1))
    c = net.conv_relu(x, f"{name}.branch2.0")
    c = net.conv_relu(c, f"{name}.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, f"{name}.branch2.2", pad=(1, 1))
    return _residual(net, x, [a, b, c], name, 0.17, relu=True)


def _block(
    net: Layers, x: Tensor, name: str, reach: int, scale: float, relu: bool = True
) -> Tensor:
    """Block17 (kernels of 7, reach 3) and Block8 (kernels of 3, reach 1)."""
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(0, reach))
    b = net.conv_relu(b, f"{name}.branch1.2", pad=(reach, 0))
    return _residual(net, x, [a, b], name, scale, relu)


def _residual(
    net: Layers, x: Tensor, branches: list[Tensor], name: str, scale: float, relu: bool
) -> Tensor:
    y = torch.cat(branches, 1)
    if relu:
        return net.conv_onto(y, x, f"{name}.conv2d", scale)
    return torch.add(x, net.conv(y, f"{name}.conv2d"), alpha=scale)


def _mixed_6a(net: Layers, x: Tensor) -> Tensor:
    a = net.conv_relu(x, "mixed_6a.branch0", stride=2)
    b = net.conv_relu(x, "mixed_6a.branch1.0")
    b = net.conv_relu(b, "mixed_6a.branch1.1", pad=(1, 1))
    b = net.conv_relu(b, "mixed_6a.branch1.2", stride=2)
    return torch.cat([a, b, _pooled(x)], 1)


def _mixed_7a(net: Layers, x: Tensor) -> Tensor:
    a = net.conv_relu(x, "mixed_7a.branch0.0")
    a = net.conv_relu(a, "mixed_7a.branch0.1", stride=2)
    b = net.conv_relu(x, "mixed_7a.branch1.0")
    b = net.conv_relu(b, "mixed_7a.branch1.1", stride=2)
    c = net.conv_relu(x, "mixed_7a.branch2.0")
    c = net.conv_relu(c, "mixed_7a.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, "mixed_7a.branch2.2", stride=2)
    return torch.cat([a, b, c, _pooled(x)], 1)


def _pooled(x: Tensor) -> Tensor:
    """Largest of 3 x 3 pixels at a stride of 2."""
    if x.is_cuda:
        from facetrack.cuda.kernels.pool import pooled

        return pooled(x)
    return F.max_pool2d(x, 3, 2)


def _flat(x: Tensor) -> Tensor:
    """Column by column, as the networks were trained: width, height, channel."""
    return cast(Tensor, x.permute(0, 3, 2, 1).flatten(1))


def _face_probability(logits: Tensor) -> Tensor:
    """Second of the two classes; the class axis goes."""
    return logits.float().softmax(1)[:, 1]
