"""Reads the settings that an analysis was made with back into settings of this version."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from facetrack.core.errors import InputError, UsageError

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
    place = analysis.info.path.name if analysis.folder is None else analysis.folder
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
