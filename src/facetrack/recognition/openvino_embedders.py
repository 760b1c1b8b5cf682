"""The embedders on OpenVINO: SFace, InceptionResnetV1, and any face embedder in an ONNX file.

SFace: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition" (TIP
2021). The network is like MobileFaceNet: thirteen depthwise-separable convolutions and one dense
layer, as OpenCV Zoo publishes it (face_recognition_sface_2021dec).
"""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from facetrack.core.errors import WeightsError
from facetrack.core.extensions import EMBEDDERS, open_extension
from facetrack.core.settings import IdentitySettings
from facetrack.core.shared import shared
from facetrack.core.types import Float32
from facetrack.models.convert import SFACE_LAYERS, SFACE_STRIDED, Tensors
from facetrack.models.onnx_file import without_block_quantisation
from facetrack.models.openvino_graphs import Layers, fixed, normalised, to_planes
from facetrack.models.weights import facenet_tensors, tensors
from facetrack.recognition.embedder import CropSpec, Embedder, require_crops
from facetrack.recognition.face_square import ALIGNED_SIDE
from facetrack.recognition.openvino_inception_resnet_v1 import inception_resnet_v1
from facetrack.recognition.recognizers import (
    OnnxRecognizer,
    Recognizer,
    is_added,
    network_bytes,
    recognizer_of,
)
from facetrack.runtime.openvino_requests import Requests


def open_embedder(identity: IdentitySettings, precision: str) -> Embedder:
    """The embedder that the settings name. Its compiled network is one in the process.

    Args:
        identity: ``recognizer`` and ``weights`` count.
        precision: ``f32``, or ``bf16`` where the CPU computes with it.

    Raises:
        WeightsError: when its weights are missing or are others than expected.
    """
    if is_added(identity):
        embedder: Embedder = open_extension(EMBEDDERS, identity.recognizer, identity)
        return embedder
    recognizer = recognizer_of(identity)
    key = "openvino", recognizer, precision  # with the calibration, which may be made anew
    if isinstance(recognizer, OnnxRecognizer):
        return shared(key, lambda: OnnxEmbedder(recognizer, precision))
    return shared(
        key, lambda: OpenVinoEmbedder(recognizer, Requests(_network(recognizer), precision))
    )


def _network(recognizer: Recognizer) -> ov.Model:
    if recognizer.name == "sface":
        return sface(tensors("sface"))
    weights = recognizer.file
    return inception_resnet_v1(facenet_tensors(weights) if weights else tensors("casia"))


class OpenVinoEmbedder:
    """A network of the product's. Implements ``Embedder``."""

    def __init__(self, recognizer: Recognizer, requests: Requests) -> None:
        """``requests``: the compiled network, crops as ``recognizer.crop`` to vectors of length
        one."""
        self.name = recognizer.name
        self.crop: CropSpec = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        self._requests = requests

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        require_crops(crops, self.crop, self.name)
        return self._requests.batch(crops)[0]


class OnnxEmbedder:
    """A network in a file of the user's. Implements ``Embedder``.

    Raises:
        WeightsError: on opening, when the file is no face embedder that can be read.
    """

    def __init__(self, recognizer: OnnxRecognizer, precision: str) -> None:
        """``recognizer.dim`` may be 0: the length of an embedding is not known yet."""
        self.name = recognizer.name
        self.crop = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        assert recognizer.file is not None
        try:
            model = ov.Core().read_model(without_block_quantisation(network_bytes(recognizer.file)))
            self._batches = _with_uint8_input(model, recognizer)
            _require_vectors(model, recognizer.dim)
            self._requests = Requests(model, precision)
        except (RuntimeError, ValueError, OSError) as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
            raise WeightsError(
                f"{recognizer.file}: not a readable face embedder ({reason})"
            ) from error

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        require_crops(crops, self.crop, self.name)
        if self._batches:
            raw = self._requests.batch(crops)[0]
        elif len(crops):
            raw = np.concatenate([out[0] for out in self._requests.run([[c[None]] for c in crops])])
        else:
            raw = np.empty((0, self.dim), np.float32)
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.asarray(raw / np.maximum(length, 1e-12), np.float32)


def input_size_of(file: Path) -> int:
    """Side in pixels of the crops that an ONNX face embedder takes; 112 where it takes any.

    Raises:
        WeightsError: when the file is no such network.
    """
    try:
        model = ov.Core().read_model(without_block_quantisation(network_bytes(file)))
        shape = model.input().get_partial_shape()
        sides = [int(side.get_length()) for side in shape if side.is_static]
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(f"{file}: not a readable face embedder ({reason})") from error
    return max((side for side in sides if side > 3), default=ALIGNED_SIDE)


def _require_vectors(model: ov.Model, dim: int) -> None:
    """Raises ``ValueError`` when the first output is no vector of length ``dim``; 0: of any."""
    shape = model.output(0).get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 2:
        raise ValueError(f"its output is {shape}, no vector")
    if dim and shape[1].is_static and shape[1].get_length() != dim:
        raise ValueError(f"its embeddings have {shape[1]} numbers, its calibration says {dim}")


def _with_uint8_input(model: ov.Model, recognizer: OnnxRecognizer) -> bool:
    """Changes the model so that it takes ``(n, size, size, 3)`` uint8 RGB.

    Returns:
        Whether the model takes several crops in one call.

    Raises:
        ValueError: when the model has not exactly one input, or the input is no image.
    """
    if len(model.inputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs, a face embedder has one")
    shape = model.input().get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 4:
        raise ValueError(f"its input is {shape}, no image")
    size = recognizer.crop.size
    channels_last = shape[3].is_static and shape[3].get_length() == 3
    layout = "NHWC" if channels_last else "NCHW"
    sides = [size, size, 3] if channels_last else [3, size, size]
    batches = True
    try:
        model.reshape(ov.PartialShape([-1, *sides]))
        batches = model.output(0).get_partial_shape()[0].is_dynamic
    except RuntimeError:  # a shape inside the network is fixed to one image
        batches = False
    if not batches:
        model.reshape(ov.PartialShape([1, *sides]))
    prepared = ov.preprocess.PrePostProcessor(model)
    prepared.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    prepared.input().tensor().set_color_format(ov.preprocess.ColorFormat.RGB)
    prepared.input().model().set_layout(ov.Layout(layout))
    steps = prepared.input().preprocess().convert_element_type(ov.Type.f32)
    if recognizer.input.bgr:
        steps = steps.convert_color(ov.preprocess.ColorFormat.BGR)
    steps.mean(recognizer.input.mean).scale(1 / recognizer.input.scale)
    prepared.build()
    return batches


def sface(arrays: Tensors) -> ov.Model:
    """SFace as a graph: ``(n, 112, 112, 3)`` uint8 RGB, aligned, to ``(n, 128)`` float32 of length
    one."""
    net = Layers(arrays)
    crops = ops.parameter([-1, 112, 112, 3], np.uint8)
    x = normalised(to_planes(crops))
    x = _prelu(net, net.conv(x, "conv1", pad=(1, 1)), "conv1")
    for i in SFACE_LAYERS:
        x = _prelu(net, net.depthwise(x, f"dw{i}", 2 if i in SFACE_STRIDED else 1), f"dw{i}")
        x = _prelu(net, net.conv(x, f"pw{i}"), f"pw{i}")
    x = net.dense(ops.reshape(x, np.array([0, -1]), True), "fc")
    x = ops.normalize_l2(x, np.array([1]), 1e-10, "add")
    return ov.Model([x], [crops], "sface")


def _prelu(net: Layers, x: ov.Node, name: str) -> ov.Node:
    return ops.prelu(x, fixed(net[f"{name}.prelu"]))
