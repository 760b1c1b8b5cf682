"""SubRip text: names under the picture in nearly every player and editing program."""

from pathlib import Path

from facetrack.exports.appearances import names_of
from facetrack.exports.cues import clock_time, cues_of, listed
from facetrack.timeline import Analysis

LOOKALIKES = str.maketrans("<>{}", "\u2039\u203a()")
"""The format has no escapes, and players take these for markup."""


def write(analysis: Analysis, path: Path) -> None:
    """A cue a change of who is seen."""
    names = {person: name.translate(LOOKALIKES) for person, name in names_of(analysis).items()}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, cue in enumerate(cues_of(analysis), start=1):
            start, end = clock_time(cue.start_s, ","), clock_time(cue.end_s, ",")
            file.write(f"{number}\n{start} --> {end}\n{listed(cue, names)}\n\n")
