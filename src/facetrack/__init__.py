"""facetrack: who is on screen when, and face-centred clips of the people you choose.

>>> import facetrack
>>> analysis = facetrack.analyze("talk.mp4")
>>> clips = facetrack.render(analysis, "out")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facetrack.api import analyze, plan, render
    from facetrack.core.errors import FacetrackError
    from facetrack.core.settings import ClipSettings, Settings
    from facetrack.evaluation.evaluate import evaluate
    from facetrack.exports.registry import export
    from facetrack.report import write_report
    from facetrack.timeline import Analysis

__all__ = [
    "Analysis",
    "ClipSettings",
    "FacetrackError",
    "Settings",
    "analyze",
    "evaluate",
    "export",
    "plan",
    "render",
    "write_report",
]

_HOMES = {
    "Analysis": "facetrack.timeline",
    "ClipSettings": "facetrack.core.settings",
    "FacetrackError": "facetrack.core.errors",
    "Settings": "facetrack.core.settings",
    "analyze": "facetrack.api",
    "evaluate": "facetrack.evaluation.evaluate",
    "export": "facetrack.exports.registry",
    "plan": "facetrack.api",
    "render": "facetrack.api",
    "write_report": "facetrack.report",
}


def __getattr__(name: str) -> Any:
    """Loads the networks' libraries only when something of them is used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'facetrack' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, for whoever completes or documents them."""
    return __all__
