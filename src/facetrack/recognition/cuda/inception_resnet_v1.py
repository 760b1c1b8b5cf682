"""InceptionResnetV1 in torch, from the same arrays as the OpenVINO graph."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.cuda.layers import Layers, normalised
from facetrack.models.convert import BATCH_NORM_EPSILON


def inception_resnet_v1_on(net: Layers, device: torch.device) -> Callable[[Tensor], Tensor]:
    """``(n, 160, 160, 3)`` uint8 RGB crops to ``(n, 512)`` float32 of length one."""
    dtype = net["last_linear.weight"].dtype
    return lambda crops: inception_resnet_v1(net, normalised(crops, dtype))


def inception_resnet_v1(net: Layers, x: Tensor) -> Tensor:
    """``(n, 3, 160, 160)`` RGB, -1 to 1, to ``(n, 512)`` float32 of length one."""
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
    """Block17 (1 x 7 and 7 x 1 kernels, ``reach`` 3) and Block8 (1 x 3 and 3 x 1, ``reach`` 1)."""
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
    """Max pooling over 3 x 3 values with a stride of 2."""
    if x.is_cuda:
        from facetrack.cuda.kernels.pool import pooled

        return pooled(x)
    return F.max_pool2d(x, 3, 2)
