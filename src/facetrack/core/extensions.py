"""Parts that other packages add: detectors, embedders and trackers, by Python's entry points.

A package names a part in its ``pyproject.toml``; the part's name is then a value of the setting::

    [project.entry-points."facetrack.detectors"]
    bright = "bright_detector:BrightDetector"

Its module is imported only when it is used. ``docs/extending.md`` has an example of each part.
"""

from importlib.metadata import entry_points
from typing import Any

from facetrack.core.errors import UsageError

DETECTORS = "facetrack.detectors"
"""Called with ``DetectionSettings``; gives a ``Detector``."""
EMBEDDERS = "facetrack.embedders"
"""Called with ``IdentitySettings``; gives an ``Embedder``."""
TRACKERS = "facetrack.trackers"
"""Called with ``TrackingSettings``, the maximum number of crops a track keeps, and a
``FaceEmbedder``; gives a ``Tracker``."""


def extension_names(group: str) -> list[str]:
    """Names of the parts that installed packages add to a group, sorted."""
    return sorted({found.name for found in entry_points(group=group)})


def open_extension(group: str, name: str, *settings: Any) -> Any:
    """The part of this name, called with the settings of its group.

    Raises:
        UsageError: when no installed package adds it, or when it cannot be opened.
    """
    found = sorted(entry_points(group=group, name=name), key=lambda entry: entry.value)
    if not found:
        raise UsageError(f"no installed package adds {name!r} to {group}")
    try:
        return found[0].load()(*settings)
    except UsageError:
        raise
    except Exception as error:  # whatever another package's code raises
        raise UsageError(f"{name!r} ({found[0].value}) cannot be opened: {error}") from error
