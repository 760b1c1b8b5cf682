"""The networks of a run on one device, and how they are opened for a device.

Each device imports only the library that it needs: OpenVINO for ``cpu``, torch for ``cuda`` and
``torch-cpu``.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings
from facetrack.detection.aligner import Aligner
from facetrack.detection.detector import Detector
from facetrack.recognition.embedder import Embedder
from facetrack.runtime.process import use_expandable_segments


class EngineFacts(NamedTuple):
    """What reports say of an engine."""

    name: str
    """As ``Engine.name``."""
    detector: str
    recognizer: str


@dataclass(frozen=True)
class Engine:
    """The networks of a run. One thread detects and another one embeds, at the same time."""

    name: str
    """For the report, e.g. ``openvino cpu bf16``."""
    detector: Detector
    embedder: Embedder
    aligner: Aligner | None = None
    """Places landmarks better than the detector; None: the detector's are good enough."""
    gpu: str | None = None
    """UUID of the GPU that the networks run on, as NVML has it; None: they run on the CPU."""
    detection: DetectionSettings | None = None
    """Settings that it was opened with; None: the engine was put together by hand."""
    identity: IdentitySettings | None = None
    """As ``detection``."""

    @property
    def facts(self) -> EngineFacts:
        """What reports say of it."""
        return EngineFacts(self.name, self.detector.name, self.embedder.name)


def open_engine(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    """The engine for ``detection.device``: ``cpu``, ``cuda`` or ``torch-cpu``.

    Raises:
        UsageError: when the device or its library is missing.
        WeightsError: when weights are missing or differ from what is expected.
    """
    engine = _open(detection, identity)
    return replace(engine, detection=detection, identity=identity)


def _open(detection: DetectionSettings, identity: IdentitySettings) -> Engine:
    if detection.device == "cpu":
        from facetrack.pipeline.openvino_engine import open_openvino_engine

        return open_openvino_engine(detection, identity)
    try:
        use_expandable_segments()
        from facetrack.pipeline.torch_engine import open_torch_engine
    except ImportError as error:
        raise UsageError(
            f"device {detection.device!r} needs {error.name}; run: pip install 'facetrack[cuda]'"
        ) from error
    return open_torch_engine(detection, identity)
