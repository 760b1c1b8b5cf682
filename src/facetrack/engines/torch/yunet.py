"""YuNet in torch, from the same arrays as the OpenVINO graph."""

import torch
import torch.nn.functional as F
from torch import Tensor

from facetrack.engines.torch.networks import Layers


def yunet(net: Layers, x: Tensor) -> list[Tensor]:
    """``(n, 3, h, w)`` BGR of 0 to 255, sides multiples of 32, to three tensors for each stride.

    Scores ``(n, 2, h', w')`` (class and objectness, 0 to 1), boxes ``(n, 4, h', w')``, landmarks
    ``(n, 10, h', w')``, the last two raw; strides of 8, 16 and 32, in turn.
    """
    x = F.relu(net.conv(x, "stem", stride=2, pad=(1, 1)))
    x = _unit(net, x, "stage0")
    x = _unit(net, _unit(net, F.max_pool2d(x, 2), "stage1a"), "stage1b")
    x = _unit(net, _unit(net, x, "stage2a"), "stage2b")
    features = []
    for stage in ("stage3", "stage4", "stage5"):
        x = _unit(net, _unit(net, F.max_pool2d(x, 2), f"{stage}a"), f"{stage}b")
        features.append(x)
    features[2] = _unit(net, features[2], "neck2")
    for i in (1, 0):
        above = F.interpolate(features[i + 1], scale_factor=2.0, mode="nearest")
        features[i] = _unit(net, features[i] + above, f"neck{i}")
    outputs = []
    for i, x in enumerate(features):
        scores = torch.cat([_separable(net, x, f"cls{i}"), _separable(net, x, f"obj{i}")], 1)
        boxes, points = _separable(net, x, f"bbox{i}"), _separable(net, x, f"kps{i}")
        outputs += [scores.float().sigmoid(), boxes.float(), points.float()]
    return outputs


def _unit(net: Layers, x: Tensor, name: str) -> Tensor:
    return F.relu(_separable(net, x, name))


def _separable(net: Layers, x: Tensor, name: str) -> Tensor:
    return net.depthwise(net.conv(x, f"{name}.pw"), f"{name}.dw")
