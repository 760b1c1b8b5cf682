"""Who is on screen when, as the exports tell it: exact times, and names that fit on one line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from facetrack.clips.plan.segments import Clock, on_screen
from facetrack.timeline import Analysis, Person

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


def appearances_of(analysis: Analysis) -> dict[int, list[Appearance]]:
    """Of each person of the timeline, in the order of time."""
    clock = clock_of(analysis)
    found: dict[int, list[Appearance]] = {}
    for person in analysis.people:
        theirs = [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person == person.id]
        # Intervals that somebody edited may overlap; their seconds may be of before.
        spans = [clock.span(*stretch) for stretch in on_screen(theirs, (), max_gap=1)]
        found[person.id] = [
            Appearance(s.start_frame, s.end_frame, s.start_s, s.end_s) for s in spans
        ]
    return found


def on_grid(appearances: list[Appearance], rate: Fraction) -> Iterator[tuple[Appearance, int, int]]:
    """Each with its first frame, and the one after the last, on a timeline of ``rate`` frames/s.

    By time: of a constant frame rate these are the source's frames, of a variable one what editing
    programs show at that moment. None is empty and none overlaps the one before.
    """
    filled = 0
    for one in appearances:
        start = max(round(one.start_s * rate), filled)
        filled = max(round(one.end_s * rate), start + 1)
        yield one, start, filled


def clock_of(analysis: Analysis) -> Clock:
    """When each frame is on screen."""
    return Clock(np.append(analysis.frame_times, analysis.info.duration_s), analysis.first_frame)


def names_of(analysis: Analysis) -> dict[int, str]:
    """Of each person, on one line and never empty."""
    return {person.id: _one_line(person) for person in analysis.people}


def _one_line(person: Person) -> str:
    return " ".join(CONTROL.sub(" ", person.name).split()) or f"Person {person.id}"
