"""InceptionResnetV1 in torch, from the same arrays as the OpenVINO graph."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.cuda.layers import Layers, normalised
from facetrack.models.convert import BATCH_NORM_EPSILON
from facetrack.recognition.inception_resnet_v1 import trunk


def inception_resnet_v1_on(net: Layers, device: torch.device) -> Callable[[Tensor], Tensor]:
    """``(n, 160, 160, 3)`` uint8 RGB crops to ``(n, 512)`` float32 of length one."""
    dtype = net["last_linear.weight"].dtype
    return lambda crops: _inception_resnet_v1(net, normalised(crops, dtype))


def _inception_resnet_v1(net: Layers, x: Tensor) -> Tensor:
    x = trunk(_TrunkLayers(net), x)
    x = F.linear(x.mean(dim=(2, 3)), net["last_linear.weight"]).float()
    gain = net["last_bn.weight"].float() * torch.rsqrt(
        net["last_bn.running_var"].float() + BATCH_NORM_EPSILON
    )
    x = (x - net["last_bn.running_mean"].float()) * gain + net["last_bn.bias"].float()
    return F.normalize(x, dim=1)


class _TrunkLayers:
    """Implements ``TrunkLayers``."""

    def __init__(self, net: Layers) -> None:
        self._net = net

    def conv_relu(
        self, x: Tensor, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> Tensor:
        return self._net.conv_relu(x, name, stride, pad)

    def residual(
        self, x: Tensor, branches: Sequence[Tensor], name: str, scale: float, relu: bool
    ) -> Tensor:
        y = self.joined(branches)
        if relu:
            return self._net.conv_onto(y, x, name, scale)
        return torch.add(x, self._net.conv(y, name), alpha=scale)

    def joined(self, branches: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(branches), 1)

    def pooled(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            from facetrack.cuda.kernels.pool import pooled

            return pooled(x)
        return F.max_pool2d(x, 3, 2)
