"""The CPU engine: OpenVINO, no torch. Compiled networks are shared by all engines of a process."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import openvino as ov

from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.core.types import Faces, Float32, Image
from facetrack.detection.aligner import OnetAligner
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.openvino import OpenVinoLook, OpenVinoMtcnn
from facetrack.detection.yunet.decoding import Yunet
from facetrack.detection.yunet.openvino_graph import yunet
from facetrack.media.frame_image import FrameImage
from facetrack.models.weights import tensors
from facetrack.pipeline.engine import Engine
from facetrack.recognition.openvino_embedders import open_embedder
from facetrack.runtime.batching import SMALLEST
from facetrack.runtime.openvino_requests import Requests

TOGETHER = 8
"""Frames that go through YuNet together."""
SIZES = 4
"""Graphs are made for one size of frames; those of the last few sizes are kept."""


def open_openvino_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The detector and the embedder of the settings on the CPU.

    Raises:
        WeightsError: when weights are missing or are others than expected.
    """
    precision = "f32" if detection.exact else quick_precision()
    detector: Detector
    aligner = None
    if detection.resolved_detector == "yunet":
        detector = OpenVinoYunet(detection, precision)
        aligner = OnetAligner(OpenVinoLook(detection, precision))
    else:
        detector = OpenVinoMtcnn(detection, precision)
    embedder = open_embedder(identity, precision)
    return Engine(f"openvino cpu {precision}", detector, embedder, aligner)


def quick_precision() -> str:
    """``bf16`` where the CPU computes with it, else ``f32``."""
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "f32"


class OpenVinoYunet:
    """Implements ``Detector``."""

    name = "yunet"
    smallest_batch = SMALLEST
    frames_ahead = 1  # of one more call

    def __init__(self, settings: DetectionSettings, precision: str) -> None:
        self._yunet = Yunet(_YunetGraphs(precision), settings)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for i in range(0, len(images), TOGETHER):
            yield from self._yunet.detect(images[i : i + TOGETHER])


class _YunetGraphs:
    """Implements ``YunetNetwork``: one compiled graph for each size of image."""

    def __init__(self, precision: str) -> None:
        self._of_size = lru_cache(SIZES)(
            lambda height, width: Requests(yunet(tensors("yunet"), height, width), precision)
        )

    def run(self, images: Sequence[Image]) -> list[list[Float32]]:
        height, width = images[0].shape[:2]
        return self._of_size(height, width).run([[image[None]] for image in images])
