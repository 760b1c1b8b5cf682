"""When a person is on screen, from the stretches of frames: the same for a run and for an edit."""

from collections.abc import Sequence

from facetrack.core.frame_range import StartEnd, frame_count
from facetrack.timeline.folder import thumbnail_name
from facetrack.timeline.parts import Interval, Person


def most_first(ranges: Sequence[StartEnd]) -> tuple[int, int]:
    """Sorts people by screen time, most first; of equals who comes first."""
    return -frame_count(ranges), ranges[0][0] if ranges else 0


def default_name(person: int) -> str:
    """What a person without a name is called."""
    return f"Person {person}"


def appearance(
    person: int,
    ranges: Sequence[StartEnd],
    first_frame: int,
    edges_s: Sequence[float],
    name: str | None = None,
    confidence: float | None = None,
    has_thumbnail: bool = True,
) -> tuple[Person, list[Interval]]:
    """The person and their intervals.

    Args:
        stretches: in order; they neither overlap nor touch.
        edges_s: presentation time of each frame from ``first_frame`` on, and the end of the last.
        pictured: whether there is a picture of them.
    """
    spans = [
        Interval(person, a, b, float(edges_s[a - first_frame]), float(edges_s[b - first_frame]))
        for a, b in ranges
    ]
    return Person(
        id=person,
        name=name or default_name(person),
        frames=frame_count(ranges),
        seconds=round(sum(s.end_s - s.start_s for s in spans), 6),
        first_s=spans[0].start_s if spans else 0.0,
        last_s=spans[-1].end_s if spans else 0.0,
        thumbnail=f"people/{thumbnail_name(person)}" if has_thumbnail else None,
        confidence=confidence,
    ), spans
