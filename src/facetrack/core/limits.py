"""The limits in force: those of the settings of a run, else of the environment, else the defaults.

Commands that take no settings, as ``people``, read ``FACETRACK_LIMITS``, for example
``table_bytes=8000000000,frames=50000000``. A folder's stored settings are never used: a folder that
was received would set its own limits.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from facetrack.core.errors import FacetrackError, InputError, UsageError
from facetrack.core.settings.limits import LimitSettings
from facetrack.core.settings.stage import hints_of

VARIABLE = "FACETRACK_LIMITS"
_in_force: ContextVar[LimitSettings | None] = ContextVar("limits", default=None)


def limits() -> LimitSettings:
    """The limits in force.

    Raises:
        UsageError: when the environment's make no sense.
    """
    return _in_force.get() or _of_environment(os.environ.get(VARIABLE, ""))


@contextmanager
def limited(settings: LimitSettings) -> Iterator[None]:
    """Puts limits in force for the body; the environment's count where these are the defaults."""
    before = _in_force.set(settings if settings != LimitSettings() else None)
    try:
        yield
    finally:
        _in_force.reset(before)


def use_limits(settings: LimitSettings) -> None:
    """Puts limits in force for the rest of the process, as a command does; see ``limited``."""
    _in_force.set(settings if settings != LimitSettings() else None)


def check_limit(
    what: str,
    name: str,
    value: float,
    kind: type[FacetrackError] = InputError,
    at: LimitSettings | None = None,
) -> None:
    """Checks a size against a limit.

    Args:
        what: has the size; the message begins with it.
        name: of the setting, as ``frames``.
        value: the size, in the setting's unit.
        kind: of the error: of an input, or of usage where the user asked for the size.
        at: the limits, for a thread that has none; None: those in force.

    Raises:
        FacetrackError: when it is larger, with the name and the value of the limit.
    """
    most = getattr(at or limits(), name)
    if not value <= most:  # NaN is beyond every limit
        raise kind(
            f"{what}: {_number(value)} is more than limits.{name} = {_number(most)}; "
            f"if you trust it, raise the limit in a file for --config or in {VARIABLE}"
        )


def _of_environment(text: str) -> LimitSettings:
    given: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in hints_of(LimitSettings) or not value.strip().isdecimal():
            raise UsageError(
                f"{VARIABLE} has {part!r}; give NAME=NUMBER, with a name of `facetrack config`"
            )
        given[name.strip()] = int(value)
    return LimitSettings(**given)  # type: ignore[arg-type]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:g}"
