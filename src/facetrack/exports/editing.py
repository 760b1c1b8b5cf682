"""What the exports for editing programs have in common: their frame rates, and OpenTimelineIO."""

from fractions import Fraction
from typing import Any

from facetrack.core.errors import UsageError

RATES = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
    Fraction(50), Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
"""Frames a second that timecode, and projects of editing programs, know."""


def editing_rate(fps: Fraction) -> Fraction:
    """The source's rate where editing programs have it, else the closest that they do have."""
    return min(RATES, key=lambda rate: abs(rate - fps))


def opentimelineio() -> Any:
    """The library, which only those who exchange timelines install.

    Raises:
        UsageError: when it, or its adapter for EDL, is not there.
    """
    try:
        import opentimelineio as otio
        import otio_cmx3600_adapter  # noqa: F401  (found by its name, as a plugin)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"otio and edl need the package {error.name}, which is missing; "
            "pip install 'facetrack[exports]'"
        ) from error
    return otio
