"""Parts that other packages add: detectors, embedders and trackers, by Python's entry points.

A package names a part in its ``pyproject.toml``; the part's name is then a value of the setting::

    [project.entry-points."facetrack.detectors"]
    bright = "bright_detector:BrightDetector"

Its module is imported only when it is used. ``docs/extending.md`` has an example of each part.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from facetrack.core.errors import UsageError

GROUPS = {
    "facetrack.detectors": ("name", "smallest_batch", "frames_ahead", "detect"),
    "facetrack.embedders": ("name", "crop", "dim", "calibration", "embed"),
    "facetrack.trackers": ("started", "update", "finish"),
}
"""Each group of entry points, and what a part of it must have."""
DETECTORS = "facetrack.detectors"
"""Called with ``DetectionSettings``; gives a ``Detector``."""
EMBEDDERS = "facetrack.embedders"
"""Called with ``IdentitySettings``; gives an ``Embedder``."""
TRACKERS = "facetrack.trackers"
"""Called with ``TrackingSettings``, the maximum number of crops a track keeps, and a
``FaceEmbedder``; gives a ``Tracker``."""


def extensions(group: str) -> list[EntryPoint]:
    """What installed packages add to a group, by name; of one name in a fixed order."""
    return sorted(entry_points(group=group), key=lambda found: (found.name, found.value))


def extension_names(group: str) -> list[str]:
    """Names of the parts that installed packages add to a group, sorted."""
    return sorted({found.name for found in extensions(group)})


def open_extension(group: str, name: str, *settings: Any) -> Any:
    """The part of this name, called with the settings of its group.

    Raises:
        UsageError: when no installed package adds it, when it cannot be opened, or when something
            of its protocol is missing.
    """
    found = [entry for entry in extensions(group) if entry.name == name]
    if not found:
        raise UsageError(f"no installed package adds {name!r} to {group}")
    where = f"{name!r} ({found[0].value})"
    try:
        part = found[0].load()(*settings)
    except UsageError:
        raise
    except Exception as error:  # whatever another package's code raises
        raise UsageError(f"{where} cannot be opened: {error}") from error
    missing = [needed for needed in GROUPS[group] if not hasattr(part, needed)]
    if missing:
        raise UsageError(
            f"{where} has no {', '.join(missing)}; docs/extending.md says what it needs"
        )
    return part


def installed_extensions() -> dict[str, str]:
    """What installed packages add: ``facetrack.detectors skin`` to its package and version."""
    return {
        f"{group} {found.name}": f"{found.dist.name} {found.dist.version}" if found.dist else "?"
        for group in GROUPS
        for found in extensions(group)
    }
