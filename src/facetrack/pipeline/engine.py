"""The networks of a run on one device, and how they are opened for a device.

Each device imports only the library that it needs: OpenVINO for ``cpu``, torch for ``cuda`` and
``torch-cpu``.
"""

from dataclasses import dataclass, replace

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings, Settings
from facetrack.detection.aligner import Aligner
from facetrack.detection.detector import Detector
from facetrack.recognition.embedder import Embedder
from facetrack.runtime.allocator import grow_in_one_piece


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

    def settings(self) -> Settings:
        """Default settings with those that the engine was opened with."""
        return Settings(
            detection=self.detection or DetectionSettings(),
            identity=self.identity or IdentitySettings(),
        )

    def check(self, settings: Settings) -> None:
        """An engine that was opened with settings computes what they say, whatever a run asks for.

        Raises:
            UsageError: when a run asks for another device, network, precision or detection score.
        """
        if self.detection is None or self.identity is None:
            return
        opened, asked = (
            {**_read_when_opened(detection), "recognizer": identity.recognizer,
             "weights": identity.weights}
            for detection, identity in (
                (self.detection, self.identity), (settings.detection, settings.identity)
            )
        )  # fmt: skip
        for name, value in asked.items():
            if value != opened[name]:
                raise UsageError(
                    f"{name} is {value!r}, but the engine was opened with {opened[name]!r}; open "
                    "one with these settings"
                )


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
        grow_in_one_piece()
        from facetrack.pipeline.torch_engine import open_torch_engine
    except ImportError as error:
        raise UsageError(
            f"device {detection.device!r} needs {error.name}; run: pip install 'facetrack[cuda]'"
        ) from error
    return open_torch_engine(detection, identity)


def _read_when_opened(settings: DetectionSettings) -> dict[str, object]:
    """What a detector takes from the settings once; ``key_interval`` is read by each run."""
    mtcnn = settings.resolved_detector == "mtcnn"
    return {
        "device": settings.device,
        "detector": settings.resolved_detector,
        "min_face": settings.min_face,
        "pyramid_factor": settings.pyramid_factor,
        "pnet_threshold": settings.pnet_threshold,
        "rnet_threshold": settings.rnet_threshold,
        "onet_threshold": settings.onet_threshold,
        # On every frame MTCNN has another threshold, and on the CPU another precision.
        "dense": settings.on_every_frame if mtcnn else None,
    }
