"""Who is on screen when, as the exports tell it: exact times, and names that fit on one line."""

import re
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from facetrack.clips.plan.segments import on_screen
from facetrack.core.frame_range import FrameRange, FrameTimes
from facetrack.timeline import Analysis, Person

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def appearances_of(analysis: Analysis) -> dict[int, list[FrameRange]]:
    """Of each person of the timeline, in the order of time."""
    frame_times = clock_of(analysis)
    found: dict[int, list[FrameRange]] = {}
    for person in analysis.people:
        theirs = [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person == person.id]
        # Intervals that somebody edited may overlap; their seconds may be of before.
        found[person.id] = [
            frame_times.frame_range(*start_end) for start_end in on_screen(theirs, (), max_gap=1)
        ]
    return found


def on_grid(appearances: list[FrameRange], rate: Fraction) -> Iterator[tuple[FrameRange, int, int]]:
    """Each with its first frame, and the one after the last, on a timeline of ``rate`` frames/s.

    By time: of a constant frame rate these are the source's frames, of a variable one what editing
    programs show at that moment. None is empty and none overlaps the one before.
    """
    filled = 0
    for one in appearances:
        start = max(round(one.start_s * rate), filled)
        filled = max(round(one.end_s * rate), start + 1)
        yield one, start, filled


def clock_of(analysis: Analysis) -> FrameTimes:
    """When each frame is on screen."""
    return FrameTimes(
        np.append(analysis.frame_times, analysis.info.duration_s), analysis.first_frame
    )


def names_of(analysis: Analysis) -> dict[int, str]:
    """Of each person, on one line and never empty."""
    return {person.id: _one_line(person) for person in analysis.people}


def _one_line(person: Person) -> str:
    return " ".join(CONTROL.sub(" ", person.name).split()) or f"Person {person.id}"
