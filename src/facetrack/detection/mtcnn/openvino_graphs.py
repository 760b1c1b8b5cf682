"""P-Net, R-Net and O-Net as OpenVINO graphs.

The pyramid and the normalisation before P-Net are part of the graph.
"""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from facetrack.models.convert import Tensors
from facetrack.models.openvino_graphs import Layers, max_pool, normalised, to_planes


def pooled_pnet(
    tensors: Tensors, height: int, width: int, sizes: Sequence[tuple[int, int]]
) -> ov.Model:
    """P-Net over a frame; each pyramid level is pooled from the frame itself.

    Input: ``(1, height, width, 3)`` uint8 RGB. Outputs: for each pyramid level, whose height and
    width are in ``sizes``, offsets ``(1, 4, h, w)`` and face probabilities ``(1, h, w)``.
    """
    image = ops.parameter([1, height, width, 3], np.uint8)
    planes = to_planes(image)
    levels = [ops.adaptive_avg_pool(planes, np.array(size)) for size in sizes]
    return _pnets(tensors, image, levels)


def chained_pnet(tensors: Tensors, sizes: Sequence[tuple[int, int]]) -> ov.Model:
    """Like ``pooled_pnet``, but the input is the first pyramid level, and each later level is
    scaled bilinearly from the one before. This is several times cheaper."""
    image = ops.parameter([1, *sizes[0], 3], np.uint8)
    levels = [to_planes(image)]
    axes = np.array([2, 3])
    for size in sizes[1:]:
        levels.append(
            ops.interpolate(levels[-1], np.array(size), "linear_onnx", "sizes", axes=axes)
        )
    return _pnets(tensors, image, levels)


def _pnets(tensors: Tensors, image: ov.Node, levels: list[ov.Node]) -> ov.Model:
    outputs = [out for level in levels for out in pnet(Layers(tensors), normalised(level))]
    return ov.Model(outputs, [image], "pnet")


def pnet(layers: Layers, x: ov.Node) -> list[ov.Node]:
    """P-Net on ``(n, 3, h, w)``, -1 to 1: offsets ``(n, 4, h', w')``, probabilities ``(n, h',
    w')``."""
    x = layers.prelu(layers.conv(x, "conv1"), "prelu1")
    x = max_pool(x, 2, ceil=True)
    x = layers.prelu(layers.conv(x, "conv2"), "prelu2")
    x = layers.prelu(layers.conv(x, "conv3"), "prelu3")
    return [layers.conv(x, "conv4_2"), _face_probability(layers.conv(x, "conv4_1"))]


def rnet(tensors: Tensors, pixels: type = np.float32) -> ov.Model:
    """``(n, 24, 24, 3)`` RGB, 0 to 255, to offsets ``(n, 4)`` and face probabilities ``(n,)``."""
    crops = ops.parameter([-1, 24, 24, 3], pixels)
    return ov.Model(_rnet(Layers(tensors), to_planes(crops)), [crops], "rnet")


def onet(tensors: Tensors, pixels: type = np.float32) -> ov.Model:
    """``(n, 48, 48, 3)`` RGB, 0 to 255, to offsets ``(n, 4)``, landmarks ``(n, 10)`` (five x, then
    five y, as shares of the crop) and face probabilities ``(n,)``."""
    crops = ops.parameter([-1, 48, 48, 3], pixels)
    return ov.Model(_onet(Layers(tensors), to_planes(crops)), [crops], "onet")


def onet_and_rnet(onet_tensors: Tensors, rnet_tensors: Tensors) -> ov.Model:
    """``(n, 48, 48, 3)`` uint8 RGB to O-Net's three outputs, and R-Net's face probabilities
    ``(n,)`` for the same crops at half the size."""
    crops = ops.parameter([-1, 48, 48, 3], np.uint8)
    planes = ops.convert(to_planes(crops), "f32")
    no_pad = [0, 0]
    half = ops.avg_pool(planes, [2, 2], no_pad, no_pad, [2, 2], True)
    _, likely = _rnet(Layers(rnet_tensors), half)
    return ov.Model([*_onet(Layers(onet_tensors), planes), likely], [crops], "onet_and_rnet")


def _rnet(layers: Layers, planes: ov.Node) -> list[ov.Node]:
    x = normalised(planes)
    x = max_pool(layers.prelu(layers.conv(x, "conv1"), "prelu1"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv2"), "prelu2"), 3, ceil=True)
    x = layers.prelu(layers.conv(x, "conv3"), "prelu3")
    x = layers.prelu(layers.dense(_flat(x), "dense4"), "prelu4")
    return [layers.dense(x, "dense5_2"), _face_probability(layers.dense(x, "dense5_1"))]


def _onet(layers: Layers, planes: ov.Node) -> list[ov.Node]:
    x = normalised(planes)
    x = max_pool(layers.prelu(layers.conv(x, "conv1"), "prelu1"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv2"), "prelu2"), 3, ceil=True)
    x = max_pool(layers.prelu(layers.conv(x, "conv3"), "prelu3"), 2, ceil=True)
    x = layers.prelu(layers.conv(x, "conv4"), "prelu4")
    x = layers.prelu(layers.dense(_flat(x), "dense5"), "prelu5")
    return [
        layers.dense(x, "dense6_2"),
        layers.dense(x, "dense6_3"),
        _face_probability(layers.dense(x, "dense6_1")),
    ]


def _flat(x: ov.Node) -> ov.Node:
    """Flattens in the order of the trained weights: width, height, channel."""
    return ops.reshape(ops.transpose(x, np.array([0, 3, 2, 1])), np.array([0, -1]), True)


def _face_probability(logits: ov.Node) -> ov.Node:
    """Softmax over the two classes; the probability of the second one, without the class axis."""
    return ops.gather(ops.softmax(logits, 1), np.array(1), np.array(1))
