"""facetrack: who is on screen when, and face-centred clips of the people you choose.

>>> import facetrack
>>> analysis = facetrack.analyze("talk.mp4", device="cpu")
>>> clips = facetrack.render(analysis, "out")

``__all__`` is the public interface. Importing ``facetrack`` loads nothing else; each name is
loaded when it is first used.
"""

import sys

# In the command itself a signal would else meet no handler while its modules load. A program that
# imports this package keeps its own handlers. Python has "-m" there until it has found the module.
if (sys.argv[:1] == ["-m"] and "facetrack" in sys.orig_argv) or (
    sys.argv and sys.argv[0].endswith(("/facetrack", "\\facetrack"))
):
    try:
        from facetrack.cli import signals

        signals.end_at_once()
    except KeyboardInterrupt:
        sys.exit(130)

# OpenVINO reports its use to its makers, from a process that it forks while threads run; where the
# package for that cannot be imported, it does without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

# As in ``typing``, which takes ten times as long to load as this module: a signal that comes while
# the command starts would meet no handler for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from facetrack.api.analyze import analyze
    from facetrack.api.render import plan, render, write_report
    from facetrack.core.errors import (
        ClipError,
        FacetrackError,
        InputError,
        OutputError,
        ResourceError,
        TargetError,
        UsageError,
        WeightsError,
    )
    from facetrack.core.settings import (
        ClipSettings,
        DecodeSettings,
        DetectionSettings,
        IdentitySettings,
        Settings,
        TrackingSettings,
    )
    from facetrack.core.types import VideoInfo
    from facetrack.evaluation.evaluate import evaluate
    from facetrack.exports.registry import export
    from facetrack.pipeline.engine import open_engine
    from facetrack.timeline import Analysis, Interval, Person, Shot, Track, TrackFaces

    __version__: str

__all__ = [
    "Analysis",
    "ClipError",
    "ClipSettings",
    "DecodeSettings",
    "DetectionSettings",
    "FacetrackError",
    "IdentitySettings",
    "InputError",
    "Interval",
    "OutputError",
    "Person",
    "ResourceError",
    "Settings",
    "Shot",
    "TargetError",
    "Track",
    "TrackFaces",
    "TrackingSettings",
    "UsageError",
    "VideoInfo",
    "WeightsError",
    "__version__",
    "analyze",
    "evaluate",
    "export",
    "open_engine",
    "plan",
    "render",
    "write_report",
]

_MODULES = {
    "Analysis": "facetrack.timeline",
    "ClipError": "facetrack.core.errors",
    "ClipSettings": "facetrack.core.settings",
    "DecodeSettings": "facetrack.core.settings",
    "DetectionSettings": "facetrack.core.settings",
    "FacetrackError": "facetrack.core.errors",
    "IdentitySettings": "facetrack.core.settings",
    "InputError": "facetrack.core.errors",
    "Interval": "facetrack.timeline",
    "OutputError": "facetrack.core.errors",
    "Person": "facetrack.timeline",
    "ResourceError": "facetrack.core.errors",
    "Settings": "facetrack.core.settings",
    "Shot": "facetrack.timeline",
    "TargetError": "facetrack.core.errors",
    "Track": "facetrack.timeline",
    "TrackFaces": "facetrack.timeline",
    "TrackingSettings": "facetrack.core.settings",
    "UsageError": "facetrack.core.errors",
    "VideoInfo": "facetrack.core.types",
    "WeightsError": "facetrack.core.errors",
    "analyze": "facetrack.api",
    "evaluate": "facetrack.evaluation.evaluate",
    "export": "facetrack.exports.registry",
    "open_engine": "facetrack.pipeline.engine",
    "plan": "facetrack.api",
    "render": "facetrack.api",
    "write_report": "facetrack.api",
}


def __getattr__(name: str) -> "Any":
    """Imports the module of a public name when it is first used."""
    if name == "__version__":
        from facetrack.core.environment import facetrack_version

        return facetrack_version()
    if name not in _MODULES:
        raise AttributeError(f"module 'facetrack' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion and documentation."""
    return __all__
