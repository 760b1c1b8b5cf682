"""Facts of the run, which ``timeline.json`` stores and the page shows."""

from dataclasses import dataclass, field
from typing import Any

from facetrack.core.errors import InputError
from facetrack.core.schema import SchemaError, Size, converted
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class StageTime:
    """How long a stage of the run took."""

    seconds: Size
    share: Size
    """Of the run's duration; stages run at the same time."""


@dataclass(frozen=True)
class RunFacts:
    """What the page shows of ``performance``; what was not stored is None or empty."""

    seconds: Size | None = None
    frames_per_second: Size | None = None
    engine: str | None = None
    decoder: str | None = None
    stages: dict[str, StageTime] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, analysis: Analysis) -> "RunFacts":
        """The facts of the run of this analysis.

        Raises:
            InputError: when a value is of another type.
        """
        try:
            return converted(analysis.performance, cls, "performance")
        except SchemaError as error:
            place = analysis.info.path.name if analysis.folder is None else analysis.folder
            raise InputError(f"{place}: {error}; analyse the video again") from error
