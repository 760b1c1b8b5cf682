"""The settings that an engine was opened with, and whether a run asks for others."""

from facetrack.core.errors import UsageError
from facetrack.core.settings import DetectionSettings, IdentitySettings, Settings
from facetrack.pipeline.engine import Engine


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
