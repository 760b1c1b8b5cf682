"""The architecture of InceptionResnetV1, written once for all inference engines.

An engine gives the layers (``TrunkLayers``); what comes before the trunk (the pixels' scale) and
after it (mean, last layer, norm) stands beside its layers. After Szegedy et al., "Inception-v4,
Inception-ResNet and the Impact of Residual Connections on Learning" (AAAI 2017), as David
Sandberg's facenet has it.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

Value = TypeVar("Value")
"""``(n, channels, height, width)``: a tensor, or a node of a graph."""


class TrunkLayers(Protocol[Value]):
    """The layers that the trunk is built of, with the network's arrays."""

    def conv_relu(
        self, x: Value, name: str, stride: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> Value:
        """ReLU of the convolution ``name``. ``pad``: rows and columns of zeros at each edge."""
        ...

    def residual(
        self, x: Value, branches: Sequence[Value], name: str, scale: float, relu: bool
    ) -> Value:
        """``x + scale * conv(branches joined)`` with the 1 x 1 convolution ``name``, and a ReLU."""
        ...

    def joined(self, branches: Sequence[Value]) -> Value:
        """The channels of all branches."""
        ...

    def pooled(self, x: Value) -> Value:
        """Max pooling over 3 x 3 values with a stride of 2."""
        ...


def trunk(net: TrunkLayers[Value], x: Value) -> Value:
    """``(n, 3, 160, 160)`` RGB, -1 to 1, to ``(n, 1792, 3, 3)``."""
    x = net.conv_relu(x, "conv2d_1a", stride=2)
    x = net.conv_relu(x, "conv2d_2a")
    x = net.conv_relu(x, "conv2d_2b", pad=(1, 1))
    x = net.pooled(x)
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
    return _block(net, x, "block8", reach=1, scale=1.0, relu=False)


def _block35(net: TrunkLayers[Value], x: Value, name: str) -> Value:
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(1, 1))
    c = net.conv_relu(x, f"{name}.branch2.0")
    c = net.conv_relu(c, f"{name}.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, f"{name}.branch2.2", pad=(1, 1))
    return net.residual(x, [a, b, c], f"{name}.conv2d", 0.17, relu=True)


def _block(
    net: TrunkLayers[Value], x: Value, name: str, reach: int, scale: float, relu: bool = True
) -> Value:
    """Block17 (1 x 7 and 7 x 1 kernels, ``reach`` 3) and Block8 (1 x 3 and 3 x 1, ``reach`` 1)."""
    a = net.conv_relu(x, f"{name}.branch0")
    b = net.conv_relu(x, f"{name}.branch1.0")
    b = net.conv_relu(b, f"{name}.branch1.1", pad=(0, reach))
    b = net.conv_relu(b, f"{name}.branch1.2", pad=(reach, 0))
    return net.residual(x, [a, b], f"{name}.conv2d", scale, relu)


def _mixed_6a(net: TrunkLayers[Value], x: Value) -> Value:
    a = net.conv_relu(x, "mixed_6a.branch0", stride=2)
    b = net.conv_relu(x, "mixed_6a.branch1.0")
    b = net.conv_relu(b, "mixed_6a.branch1.1", pad=(1, 1))
    b = net.conv_relu(b, "mixed_6a.branch1.2", stride=2)
    return net.joined([a, b, net.pooled(x)])


def _mixed_7a(net: TrunkLayers[Value], x: Value) -> Value:
    a = net.conv_relu(x, "mixed_7a.branch0.0")
    a = net.conv_relu(a, "mixed_7a.branch0.1", stride=2)
    b = net.conv_relu(x, "mixed_7a.branch1.0")
    b = net.conv_relu(b, "mixed_7a.branch1.1", stride=2)
    c = net.conv_relu(x, "mixed_7a.branch2.0")
    c = net.conv_relu(c, "mixed_7a.branch2.1", pad=(1, 1))
    c = net.conv_relu(c, "mixed_7a.branch2.2", stride=2)
    return net.joined([a, b, c, net.pooled(x)])
