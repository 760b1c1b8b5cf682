"""P-Net, R-Net and O-Net in torch. Input is ``(n, 3, height, width)`` RGB, -1 to 1."""

from typing import cast

from torch import Tensor

from facetrack.cuda.layers import Layers


def pnet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """A pyramid level to offsets ``(n, 4, h, w)`` and face probabilities ``(n, h, w)``, float32."""
    x = net.conv_prelu(x, 1, pool=2)
    x = net.conv_prelu(x, 2)
    x = net.conv_prelu(x, 3)
    return net.conv(x, "conv4_2").float(), _face_probability(net.conv(x, "conv4_1"))


def rnet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """24x24 crops to offsets ``(n, 4)`` and face probabilities ``(n,)``, float32."""
    x = net.first(x)
    x = net.conv_prelu(x, 2, pool=3)
    x = net.conv_prelu(x, 3)
    x = net.prelu(net.dense(_flat(x), "dense4"), "prelu4")
    return net.dense(x, "dense5_2").float(), _face_probability(net.dense(x, "dense5_1"))


def onet(net: Layers, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """48x48 crops to offsets ``(n, 4)``, landmarks ``(n, 10)`` (five x, then five y, as shares of
    the crop) and face probabilities ``(n,)``, float32."""
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


def _flat(x: Tensor) -> Tensor:
    """Flattens in the order of the trained weights: width, height, channel."""
    return cast(Tensor, x.permute(0, 3, 2, 1).flatten(1))


def _face_probability(logits: Tensor) -> Tensor:
    """Softmax over the two classes; the probability of the second one, without the class axis."""
    return logits.float().softmax(1)[:, 1]
