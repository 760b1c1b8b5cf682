"""The CPU engine: OpenVINO, without torch. All engines of a process share compiled networks."""

import openvino as ov

from facetrack.core.extensions import DETECTORS, open_extension
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.detection.aligner import OnetAligner
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.openvino import OpenVinoMtcnn, OpenVinoRnetOnet
from facetrack.detection.yunet.openvino import OpenVinoYunet
from facetrack.pipeline.engine import Engine
from facetrack.recognition.openvino_embedders import open_embedder


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
    """The detector, and an aligner if the detector's landmarks are too coarse."""
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
