"""The networks of a run, on the machine that runs them."""

from dataclasses import dataclass

from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.detection.aligner import Aligner
from facetrack.detection.detector import Detector
from facetrack.recognition.embedder import Embedder


@dataclass(frozen=True)
class Engine:
    """One thread detects and one embeds, side by side."""

    name: str
    """For the report, e.g. ``openvino cpu bf16``."""
    detector: Detector
    embedder: Embedder
    aligner: Aligner | None = None
    """Places landmarks better than the detector; None: the detector's are good enough."""
    gpu: str | None = None
    """UUID of the GPU that the networks run on, as NVML has it; None: on none."""
    detection: DetectionSettings | None = None
    """Settings that it was opened with; None: the engine was put together by hand."""
    identity: IdentitySettings | None = None
    """As ``detection``."""
