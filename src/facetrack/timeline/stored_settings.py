"""Reads the settings that an analysis was made with back into settings of this version."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facetrack.core.errors import InputError, UsageError
from facetrack.core.schema import SchemaError, converted
from facetrack.core.settings.stage import Stage as AnyStage
from facetrack.core.settings.stage import hints_of

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis

Stage = TypeVar("Stage")


def stored_settings(analysis: "Analysis", stage: str, kind: type[Stage]) -> Stage:
    """The settings of one stage, as ``timeline.json`` stores them.

    Args:
        analysis: of the video.
        stage: ``detection``, ``identity`` and so on.
        kind: the settings' type.

    Raises:
        InputError: when this version does not know a stored setting, or cannot use its value. The
            message names the folder and the setting.
    """
    place = _place(analysis)
    stored = analysis.settings.get(stage)
    if not isinstance(stored, dict):
        raise InputError(f"{place}: no settings of {stage!r} are stored; analyse the video again")
    unknown = sorted(stored.keys() - kind.__annotations__.keys())
    if unknown:
        raise InputError(
            f"{place}: this version of facetrack does not know the stored setting "
            f"{stage}.{unknown[0]}; analyse the video again, or use the version that made it"
        )
    weights = {"weights": Path(stored["weights"])} if stored.get("weights") else {}
    try:
        return kind(**{**stored, **weights})
    except (UsageError, TypeError, ValueError) as error:
        raise InputError(
            f"{place}: a stored setting of {stage!r} cannot be used ({error}); "
            "analyse the video again"
        ) from error


def stored_setting(analysis: "Analysis", stage: type[AnyStage], name: str) -> Any:
    """One setting as ``timeline.json`` stores it; its default where an older version stored none.

    Args:
        analysis: of the video.
        stage: the settings' type.
        name: of the setting.

    Raises:
        InputError: when the stored value makes no sense; the message names the folder and the path.
    """
    default = next(f.default for f in fields(stage) if f.name == name)
    stored = analysis.settings.get(stage.table, {})
    path = f"settings.{stage.table}.{name}"
    try:
        value = converted(stored, dict[str, Any], f"settings.{stage.table}").get(name, default)
        return converted(value, hints_of(stage)[name], path)
    except SchemaError as error:
        raise InputError(f"{_place(analysis)}: {error}; analyse the video again") from error


def _place(analysis: "Analysis") -> Path | str:
    """How messages name the analysis."""
    return analysis.info.path.name if analysis.folder is None else analysis.folder
