"""Who is in the picture, as subtitles: what WebVTT and SRT have in common.

Cues follow one another and never overlap, since many players show one at a time: each lists
everybody who is on screen. Whoever is away for a moment stays in the list, and a change that
lasts too short to be read is given to the cue beside it, so that names do not flicker.
"""

from collections import deque
from dataclasses import dataclass, replace

from facetrack.core.frame_range import FrameRange
from facetrack.exports.appearances import appearances_of
from facetrack.timeline import Analysis

AWAY_S = 0.5
"""How long somebody may be off screen and still be listed."""
SHORTEST_S = 0.4
"""What lasts shorter is not shown by itself where another cue goes before or follows."""


@dataclass(frozen=True)
class Cue:
    """A time in which the same people are seen."""

    start_s: float
    end_s: float
    people: tuple[int, ...]
    """Ids, in order."""

    def home_for(self, other: "Cue") -> tuple[int, float]:
        """How well the time of the other one fits in here: people in common, else the longer."""
        return len({*self.people} & {*other.people}), self.end_s - self.start_s


def cues_of(analysis: Analysis) -> list[Cue]:
    """In the order of time; none where nobody is seen."""
    changes = sorted(
        change
        for person, seen in appearances_of(analysis).items()
        for start_s, end_s in _stays(seen)
        for change in ((start_s, person), (end_s, person))
    )
    cues: list[Cue] = []
    here: set[int] = set()
    since_s = 0.0
    for time_s, person in changes:
        if here and time_s > since_s:
            cues.append(Cue(since_s, time_s, tuple(sorted(here))))
        here ^= {person}
        since_s = time_s
    return _steady(cues)


def listed(cue: Cue, names: dict[int, str]) -> str:
    """A line a person."""
    return "\n".join(names[person] for person in cue.people)


def clock_time(seconds: float, point: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``point``."""
    whole, ms = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{ms:03}"


def _stays(seen: list[FrameRange]) -> list[tuple[float, float]]:
    stays: list[tuple[float, float]] = []
    for one in seen:
        if stays and one.start_s - stays[-1][1] < AWAY_S:
            stays[-1] = (stays[-1][0], max(stays[-1][1], one.end_s))
        else:
            stays.append((one.start_s, one.end_s))
    return stays


def _steady(cues: list[Cue]) -> list[Cue]:
    steady: list[Cue] = []
    coming = deque(cues)
    while coming:
        cue = coming.popleft()
        before = steady[-1] if steady and steady[-1].end_s == cue.start_s else None
        after = coming[0] if coming and coming[0].start_s == cue.end_s else None
        short = cue.end_s - cue.start_s < SHORTEST_S
        beside = [c for c in (before, after) if c is not None]
        home = max(beside, key=lambda c: c.home_for(cue), default=None)
        if before and (before.people == cue.people or (short and home is before)):
            steady[-1] = replace(before, end_s=cue.end_s)
        elif after and short:
            coming[0] = replace(after, start_s=cue.start_s)
        else:
            steady.append(cue)
    return steady
