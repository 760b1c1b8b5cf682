"""The CPU engine: OpenVINO, without torch. All engines of a process share compiled networks."""

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.core.extensions import DETECTORS, EMBEDDERS, extension_names, open_extension
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.shared import shared
from facetrack.core.types import Float32
from facetrack.detection.aligner import OnetAligner
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn, OpenVinoRnetOnet
from facetrack.detection.yunet.openvino import OpenVinoYunet
from facetrack.models.weights import facenet_tensors, tensors
from facetrack.pipeline.engine import Engine
from facetrack.recognition.embedder import CropSpec, Embedder
from facetrack.recognition.onnx_recognizer import OnnxRecognizer
from facetrack.recognition.openvino_inception_resnet_v1 import inception_resnet_v1
from facetrack.recognition.openvino_onnx import OnnxEmbedder
from facetrack.recognition.openvino_sface import sface
from facetrack.recognition.recognizers import Recognizer, recognizer_of
from facetrack.runtime.openvino_requests import Requests


def open_openvino_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The detector and the embedder of the settings, on the CPU.

    Raises:
        WeightsError: when weights are missing or differ from what is expected.
    """
    precision = "f32" if detection.exact else quick_precision()
    detector, aligner = _open_detector(detection, precision)
    embedder = open_embedder(identity, precision)
    return Engine(f"openvino cpu {precision}", detector, embedder, aligner)


def _open_detector(
    detection: DetectionSettings, precision: str
) -> tuple[Detector, OnetAligner | None]:
    """The detector, and what places landmarks better where it does not do so well enough."""
    name = detection.resolved_detector
    if name == "yunet":
        aligner = OnetAligner(OpenVinoRnetOnet(detection, precision))
        return OpenVinoYunet(detection, precision), aligner
    if name == "mtcnn":
        return OpenVinoMtcnn(detection, precision), None
    return open_extension(DETECTORS, name, detection), None


def quick_precision() -> str:
    """``bf16`` where the CPU computes in bfloat16, else ``f32``."""
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


def open_embedder(identity: IdentitySettings, precision: str) -> Embedder:
    """The embedder of the settings, on the CPU.

    Raises:
        WeightsError: when its weights are missing or differ from what is expected.
    """
    if identity.recognizer in extension_names(EMBEDDERS):
        embedder: Embedder = open_extension(EMBEDDERS, identity.recognizer, identity)
        return embedder
    recognizer = recognizer_of(identity)
    key = "openvino", recognizer.name, recognizer.file, precision
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
    """Implements ``Embedder``."""

    def __init__(self, recognizer: Recognizer, requests: Requests) -> None:
        self.name = recognizer.name
        self.crop: CropSpec = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        self._requests = requests

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        return self._requests.batch(crops)[0]
