"""WebVTT: names under the picture in browsers and players (``<track src=...>``, mpv, VLC)."""

from pathlib import Path

from facetrack.exports.appearances import names_of
from facetrack.exports.cues import clock_time, cues_of, listed
from facetrack.timeline import Analysis

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write(analysis: Analysis, path: Path) -> None:
    """A cue a change of who is seen."""
    names = {person: name.translate(ESCAPES) for person, name in names_of(analysis).items()}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("WEBVTT\n")
        for cue in cues_of(analysis):
            start, end = clock_time(cue.start_s, "."), clock_time(cue.end_s, ".")
            file.write(f"\n{start} --> {end}\n{listed(cue, names)}\n")
