"""The layers that the torch networks share, and how pixels become their input.

A network is a plain function of tensors, not a module, so that a CUDA graph captures exactly what
the function says. Its arrays are the ones that the OpenVINO graphs are made of.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

PIXEL_MEAN, PIXEL_SCALE = 127.5, 1 / 128
"""MTCNN, SFace and InceptionResnetV1 take ``(pixel - PIXEL_MEAN) * PIXEL_SCALE``. The Triton
kernels hold the same two numbers."""


def normalised(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """``(n, height, width, 3)`` RGB, 0 to 255, uint8 or float, to ``(n, 3, height, width)``, -1 to
    1, channels last in memory."""
    x = ((pixels.float() - PIXEL_MEAN) * PIXEL_SCALE).to(dtype).permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last)


class Layers:
    """The arrays of one network on a device, and its layers. Values are ``(n, channels, height,
    width)``."""

    def __init__(
        self, tensors: Mapping[str, NDArray[np.float32]], device: torch.device, dtype: torch.dtype
    ) -> None:
        self._arrays: dict[str, Tensor] = {}
        for name, array in tensors.items():
            tensor = torch.from_numpy(np.array(array)).to(device, dtype)
            if tensor.ndim == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self._arrays[name] = tensor
        self._fuses = device.type == "cuda" and dtype == torch.float16
        """Whether cuDNN does the addition and the ReLU in the kernel of the convolution."""

    def __getitem__(self, name: str) -> Tensor:
        return self._arrays[name]

    def conv(self, x: Tensor, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)) -> Tensor:
        return F.conv2d(x, self[f"{name}.weight"], self[f"{name}.bias"], stride, pad)

    def depthwise(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """A depthwise 3 x 3 convolution, padded with zeros."""
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
        """``relu(base + scale * conv(x))`` with a 1 x 1 convolution."""
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
        """MTCNN's ``i``-th convolution, PReLU, and max pooling over ``pool`` x ``pool`` pixels with
        a stride of 2; ``pool`` 1: no pooling."""
        if x.is_cuda:
            from facetrack.cuda.kernels.activation import activated

            raw = F.conv2d(x, self._padded_to(f"conv{i}.weight", x.shape[1]))
            return activated(raw, self[f"conv{i}.bias"], self[f"prelu{i}.weight"], pool)
        y = self.prelu(self.conv(x, f"conv{i}"), f"prelu{i}")
        return F.max_pool2d(y, pool, 2, ceil_mode=True) if pool > 1 else y

    def first(self, x: Tensor) -> Tensor:
        """``conv_prelu(x, 1, pool=3)``. On a GPU the output is padded with channels of zeros."""
        if not x.is_cuda:
            return self.conv_prelu(x, 1, pool=3)
        from facetrack.cuda.kernels.first_layers import first_layer, taps_of

        if "conv1.taps" not in self._arrays:
            self._arrays["conv1.taps"] = taps_of(self["conv1.weight"])
        return first_layer(x, self["conv1.taps"], self["conv1.bias"], self["prelu1.weight"])

    def _padded_to(self, name: str, channels: int) -> Tensor:
        """The weights, padded with zeros for inputs of this many channels."""
        weight = self[name]
        if weight.shape[1] < channels:
            weight = F.pad(weight, (0, 0, 0, 0, 0, channels - weight.shape[1]))
            self._arrays[name] = weight.contiguous(memory_format=torch.channels_last)
        return self._arrays[name]

    def dense(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])
