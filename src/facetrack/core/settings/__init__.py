"""Every setting: one frozen dataclass a stage.

Python users make these objects, the command line and the TOML file fill them. Types and bounds
stand in the annotations; a value that breaks one raises ``UsageError`` when the object is made,
with the path of the setting: ``tracking.max_gap is -5; it must be 0 or more``. ``facetrack config``
prints each field's ``help``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from facetrack.core.errors import UsageError
from facetrack.core.settings.analysis import (
    DETECTOR_NAMES,
    DEVICES,
    RECOGNIZERS,
    DecodeSettings,
    DetectionSettings,
    Device,
    IdentitySettings,
    TrackingSettings,
)
from facetrack.core.settings.clips import (
    CODECS,
    EFFORTS,
    MODES,
    PRESETS,
    ClipSettings,
    with_preset,
)
from facetrack.core.settings.limits import LimitSettings
from facetrack.core.settings.stage import Stage, hints_of, require

__all__ = [
    "CODECS",
    "DETECTOR_NAMES",
    "DEVICES",
    "EFFORTS",
    "MODES",
    "PRESETS",
    "RECOGNIZERS",
    "STAGES",
    "ClipSettings",
    "DecodeSettings",
    "DetectionSettings",
    "Device",
    "IdentitySettings",
    "LimitSettings",
    "Settings",
    "TrackingSettings",
    "require",
    "settings_from",
    "with_preset",
]


@dataclass(frozen=True)
class Settings:
    """The settings of all stages of a run; field names are the tables of the TOML file."""

    decode: DecodeSettings = field(default_factory=DecodeSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """JSON-ready: table -> field -> value; paths are texts, tuples lists, unset is None."""
        return {
            stage.name: {
                f.name: _plain(getattr(getattr(self, stage.name), f.name))
                for f in fields(getattr(self, stage.name))
            }
            for stage in fields(self)
        }


STAGES: dict[str, type[Stage]] = {
    stage.table: stage
    for stage in (
        DecodeSettings, DetectionSettings, TrackingSettings, IdentitySettings, ClipSettings,
        LimitSettings,
    )
}  # fmt: skip
"""Table -> the stage's class."""


def settings_from(tables: Mapping[str, Any]) -> Settings:
    """Settings from tables, as TOML and ``Settings.as_dict`` have them; the rest are defaults.

    Raises:
        UsageError: for an unknown table or setting, or a value that makes no sense.
    """
    if unknown := sorted(set(tables) - set(STAGES)):
        raise UsageError(
            f"no such table: {', '.join(unknown)}; there are {', '.join(sorted(STAGES))}"
        )
    stages: dict[str, Any] = {}
    for table, given in tables.items():
        require(isinstance(given, Mapping), table, given, "a table of settings")
        for name in given:
            if name not in hints_of(STAGES[table]):
                raise UsageError(
                    f"{table}.{name}: no such setting; `facetrack config` lists them all"
                )
        stages[table] = STAGES[table](**given)
    return Settings(**stages)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value
