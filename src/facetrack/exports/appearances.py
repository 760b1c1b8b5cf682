"""Who is on screen when, as the exports tell it: exact times, and names that fit on one line."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from facetrack.analysis import Analysis, Person
from facetrack.clips.segments import Clock

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Appearance:
    """A stretch of time in which a person is on screen without a break."""

    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: float
    end_s: float
    """Presentation time of the frame after the last one, or the end of the video."""

    def on_grid(self, rate: Fraction) -> tuple[int, int]:
        """First frame, and the one after the last, on a timeline of ``rate`` frames a second.

        By time: of a constant frame rate these are the source's frames; of a variable one what
        editing programs show at that moment. At least one frame.
        """
        start = round(self.start_s * rate)
        return start, max(round(self.end_s * rate), start + 1)


def appearances_of(analysis: Analysis) -> dict[int, list[Appearance]]:
    """Of each person of the timeline, in the order of time."""
    clock = clock_of(analysis)
    found: dict[int, list[Appearance]] = {person.id: [] for person in analysis.people}
    for i in sorted(analysis.intervals, key=lambda i: i.start_frame):
        # Of an interval that somebody edited the frames count; its seconds may be of before.
        span = clock.span(i.start_frame, i.end_frame)
        found[i.person].append(Appearance(i.start_frame, i.end_frame, span.start_s, span.end_s))
    return found


def clock_of(analysis: Analysis) -> Clock:
    """When each frame is on screen."""
    return Clock(np.append(analysis.frame_times, analysis.info.duration_s), analysis.first_frame)


def names_of(analysis: Analysis) -> dict[int, str]:
    """Of each person, on one line and never empty."""
    return {person.id: _one_line(person) for person in analysis.people}


def _one_line(person: Person) -> str:
    return " ".join(CONTROL.sub(" ", person.name).split()) or f"Person {person.id}"
