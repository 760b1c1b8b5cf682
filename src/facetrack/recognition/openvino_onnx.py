"""Any face embedder from an ONNX file, on OpenVINO."""

from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.core.errors import WeightsError
from facetrack.core.types import Float32
from facetrack.models.onnx_file import without_block_quantisation
from facetrack.recognition.face_square import ALIGNED_SIDE
from facetrack.recognition.onnx_recognizer import OnnxRecognizer
from facetrack.runtime.openvino_requests import Requests


class OnnxEmbedder:
    """Implements ``Embedder``.

    Raises:
        WeightsError: on opening, when the file is no face embedder that can be read.
    """

    def __init__(self, recognizer: OnnxRecognizer, precision: str) -> None:
        self.name = recognizer.name
        self.crop = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        assert recognizer.file is not None
        try:
            model = ov.Core().read_model(without_block_quantisation(recognizer.file.read_bytes()))
            self._batches = _made_ready(model, recognizer)
            _require_vectors(model, recognizer.dim)
            self._requests = Requests(model, precision)
        except (RuntimeError, ValueError, OSError) as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
            raise WeightsError(
                f"{recognizer.file}: not a readable face embedder ({reason})"
            ) from error

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        if self._batches:
            raw = self._requests.batch(crops)[0]
        elif len(crops):
            raw = np.concatenate([out[0] for out in self._requests.run([[c[None]] for c in crops])])
        else:
            raw = np.empty((0, self.dim), np.float32)
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.asarray(raw / np.maximum(length, 1e-12), np.float32)


def input_size_of(file: Path) -> int:
    """Side in pixels of the crops that a face embedder's file asks for; 112 where any will do.

    Raises:
        WeightsError: when it is no such file.
    """
    try:
        model = ov.Core().read_model(without_block_quantisation(file.read_bytes()))
        shape = model.input().get_partial_shape()
        sides = [int(side.get_length()) for side in shape if side.is_static]
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(f"{file}: not a readable face embedder ({reason})") from error
    return max((side for side in sides if side > 3), default=ALIGNED_SIDE)


def _require_vectors(model: ov.Model, dim: int) -> None:
    """Raises ``ValueError`` when the first output is no vector of ``dim`` numbers; 0: any."""
    shape = model.output(0).get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 2:
        raise ValueError(f"its output is {shape}, no vector")
    if dim and shape[1].is_static and shape[1].get_length() != dim:
        raise ValueError(f"its embeddings have {shape[1]} numbers, its calibration says {dim}")


def _made_ready(model: ov.Model, recognizer: OnnxRecognizer) -> bool:
    """Makes the model take ``(n, size, size, 3)`` uint8 RGB; whether it takes several at once.

    Raises:
        ValueError: when it has not one image as input and one vector as output.
    """
    if len(model.inputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs, a face embedder has one")
    shape = model.input().get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 4:
        raise ValueError(f"its input is {shape}, no image")
    size = recognizer.crop.size
    last = shape[3].is_static and shape[3].get_length() == 3
    layout = "NHWC" if last else "NCHW"
    sides = [size, size, 3] if last else [3, size, size]
    batches = True
    try:
        model.reshape(ov.PartialShape([-1, *sides]))
        batches = model.output(0).get_partial_shape()[0].is_dynamic
    except RuntimeError:  # a shape inside it is for one image
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
