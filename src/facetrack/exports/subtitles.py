"""Subtitles that name the people on screen: WebVTT and SRT.

Cues never overlap, because many players show only one at a time: each cue lists everybody who is
on screen. A person who is off screen for a moment stays listed, and a cue that is too short to be
read is given to a cue next to it, so that names do not flicker.
"""

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from facetrack.core.frame_range import FrameRange
from facetrack.exports.person_ranges import person_names, person_ranges
from facetrack.timeline import Analysis

MAX_GAP_S = 0.5
"""A person who is off screen for less than this stays listed."""
SHORTEST_S = 0.4
"""A shorter cue is given to the cue before or after it, if one touches it."""
WEBVTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
SRT_REPLACEMENTS = str.maketrans({"<": "\u2039", ">": "\u203a", "{": "(", "}": ")"})
"""SRT has no escapes, and players take these characters for markup."""


class WebVttExporter:
    """WebVTT for browsers and players (``<track src=...>``, mpv, VLC)."""

    name = "webvtt"
    suffix = ".vtt"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one cue per change of the people on screen."""
        names = _translated(person_names(analysis), WEBVTT_ESCAPES)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write("WEBVTT\n")
            for cue in cues_of(analysis):
                start, end = _timestamp(cue.start_s, "."), _timestamp(cue.end_s, ".")
                file.write(f"\n{start} --> {end}\n{_lines(cue, names)}\n")


class SrtExporter:
    """SubRip text (SRT) for nearly every player and editing program."""

    name = "srt"
    suffix = ".srt"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one cue per change of the people on screen."""
        names = _translated(person_names(analysis), SRT_REPLACEMENTS)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for number, cue in enumerate(cues_of(analysis), start=1):
                start, end = _timestamp(cue.start_s, ","), _timestamp(cue.end_s, ",")
                file.write(f"{number}\n{start} --> {end}\n{_lines(cue, names)}\n\n")


@dataclass(frozen=True)
class Cue:
    """A time in which the same people are on screen."""

    start_s: float
    end_s: float
    people: tuple[int, ...]
    """Person numbers, ascending."""


def cues_of(analysis: Analysis) -> list[Cue]:
    """Cues in order of time; none where nobody is on screen."""
    changes = sorted(
        change
        for person, ranges in person_ranges(analysis).items()
        for start_s, end_s in _joined_over_gaps(ranges)
        for change in ((start_s, person), (end_s, person))
    )
    cues: list[Cue] = []
    on_screen: set[int] = set()
    since_s = 0.0
    for time_s, person in changes:
        if on_screen and time_s > since_s:
            cues.append(Cue(since_s, time_s, tuple(sorted(on_screen))))
        on_screen ^= {person}
        since_s = time_s
    return _without_short_cues(cues)


def _joined_over_gaps(ranges: list[FrameRange]) -> list[tuple[float, float]]:
    """Start and end seconds of one person's ranges, joined over gaps below ``MAX_GAP_S``."""
    joined: list[tuple[float, float]] = []
    for one in ranges:
        if joined and one.start_s - joined[-1][1] < MAX_GAP_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], one.end_s))
        else:
            joined.append((one.start_s, one.end_s))
    return joined


def _without_short_cues(cues: list[Cue]) -> list[Cue]:
    """Gives the time of each short cue to the better one of its neighbours that touch it."""
    kept: list[Cue] = []
    coming = deque(cues)
    while coming:
        cue = coming.popleft()
        before = kept[-1] if kept and kept[-1].end_s == cue.start_s else None
        after = coming[0] if coming and coming[0].start_s == cue.end_s else None
        short = cue.end_s - cue.start_s < SHORTEST_S
        neighbours = [c for c in (before, after) if c is not None]
        best = max(neighbours, key=lambda c: _common_people_and_length(c, cue), default=None)
        if before and (before.people == cue.people or (short and best is before)):
            kept[-1] = replace(before, end_s=cue.end_s)
        elif after and short:
            coming[0] = replace(after, start_s=cue.start_s)
        else:
            kept.append(cue)
    return kept


def _common_people_and_length(neighbour: Cue, cue: Cue) -> tuple[int, float]:
    common = {*neighbour.people} & {*cue.people}
    return len(common), neighbour.end_s - neighbour.start_s


def _translated(names: dict[int, str], characters: dict[int, str]) -> dict[int, str]:
    return {person: name.translate(characters) for person, name in names.items()}


def _lines(cue: Cue, names: dict[int, str]) -> str:
    """One line per person."""
    return "\n".join(names[person] for person in cue.people)


def _timestamp(seconds: float, separator: str) -> str:
    """``HH:MM:SS``, the separator, and milliseconds."""
    whole, ms = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{separator}{ms:03}"
