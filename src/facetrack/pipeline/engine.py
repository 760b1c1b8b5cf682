"""The networks of a run on one device, how they are opened for a device, and whether a run asks for
other settings than they were opened with.

Each device imports only the library that it needs: OpenVINO for ``cpu``, torch for ``cuda`` and
``torch-cpu``.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings, Settings
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


def settings_of(engine: Engine) -> Settings:
    """Default settings, with those that the engine was opened with."""
    return Settings(
        detection=engine.detection or DetectionSettings(),
        identity=engine.identity or IdentitySettings(),
    )


def check_engine(engine: Engine, settings: Settings) -> None:
    """Refuses a run whose settings the engine would not follow.

    An engine computes with the settings that it was opened with. One that was put together by hand
    is not checked.

    Raises:
        UsageError: when the run asks for another device, network, precision or detection threshold.
    """
    if engine.detection is None or engine.identity is None:
        return
    opened = _read_when_opened(engine.detection, engine.identity)
    for name, value in _read_when_opened(settings.detection, settings.identity).items():
        if value != opened[name]:
            raise UsageError(
                f"{name} is {value!r}, but the engine was opened with {opened[name]!r}; open an "
                "engine with these settings"
            )


def _read_when_opened(
    detection: DetectionSettings, identity: IdentitySettings
) -> dict[str, object]:
    """The settings that an engine reads once; each run reads all others itself."""
    mtcnn = detection.resolved_detector == "mtcnn"
    return {
        "detection.device": detection.device,
        "detection.detector": detection.resolved_detector,
        "detection.min_face": detection.min_face,
        "detection.pyramid_factor": detection.pyramid_factor,
        "detection.pnet_threshold": detection.pnet_threshold,
        "detection.rnet_threshold": detection.rnet_threshold,
        "detection.onet_threshold": detection.onet_threshold,
        # On every frame MTCNN has another threshold, and on the CPU another precision.
        "detection.dense": detection.on_every_frame if mtcnn else None,
        "identity.recognizer": identity.recognizer,
        "identity.weights": identity.weights,
    }
