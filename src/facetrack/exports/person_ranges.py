"""What the formats share: each person's frame ranges with exact times, and printable names."""

import re
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from facetrack.clips.plan.segments import on_screen
from facetrack.core.frame_range import FrameRange, FrameTimes
from facetrack.timeline import Analysis, Person

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

RATES = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
    Fraction(50), Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
"""Frame rates (frames/s) of timecode and of projects in editing programs."""


def person_ranges(analysis: Analysis) -> dict[int, list[FrameRange]]:
    """When each person is on screen: person to frame ranges, in order and without overlaps."""
    frame_times = frame_times_of(analysis)
    found: dict[int, list[FrameRange]] = {}
    for person in analysis.people:
        intervals = [
            (i.start_frame, i.end_frame) for i in analysis.intervals if i.person == person.id
        ]
        # In an edited timeline intervals may overlap, and their seconds may be outdated.
        found[person.id] = [
            frame_times.frame_range(*start_end) for start_end in on_screen(intervals, (), max_gap=1)
        ]
    return found


def on_grid(ranges: list[FrameRange], rate: Fraction) -> Iterator[tuple[FrameRange, int, int]]:
    """Each range with its first frame and end frame on a timeline of ``rate`` frames/s.

    Positions follow from the presentation times. At a constant frame rate they are the source's
    frames; at a variable one they are the frames that an editing program shows at these times. No
    range is empty, and none overlaps the one before it.

    Args:
        ranges: of one person, in order and without overlaps.
        rate: frames/s of the timeline.
    """
    filled = 0
    for one in ranges:
        start = max(round(one.start_s * rate), filled)
        filled = max(round(one.end_s * rate), start + 1)
        yield one, start, filled


def editing_rate(fps: Fraction) -> Fraction:
    """The rate in ``RATES`` that is closest to ``fps``."""
    return min(RATES, key=lambda rate: abs(rate - fps))


def frame_times_of(analysis: Analysis) -> FrameTimes:
    """Presentation times of the analysed frames."""
    return FrameTimes(
        np.append(analysis.frame_times, analysis.info.duration_s), analysis.first_frame
    )


def person_names(analysis: Analysis) -> dict[int, str]:
    """Person to name: on one line, without control characters, never empty."""
    return {person.id: _one_line(person) for person in analysis.people}


def printable(text: str) -> str:
    """The text with spaces for control characters, and ``?`` for bytes that are not UTF-8."""
    return CONTROL.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def _one_line(person: Person) -> str:
    return " ".join(printable(person.name).split()) or f"Person {person.id}"
