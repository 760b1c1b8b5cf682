"""CMX 3600 edit decision list: the people one after the other, each with all their appearances.

The format has one video track, on which people who are seen together cannot lie. So the list is
what editors call a string-out: person 1's appearances in order, then person 2's. Each event says
its person in a comment and in a locator. Timecodes count from 00:00:00:00, at the source's frame
rate or, where timecode has none such, the closest.
"""

from fractions import Fraction
from pathlib import Path

from facetrack.exports.appearances import appearances_of, names_of, on_grid
from facetrack.exports.editing import editing_rate, opentimelineio
from facetrack.exports.otio import at, media_of, time_range
from facetrack.timeline import Analysis

DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001))
"""Rates at which timecode leaves out numbers to keep up with the clock."""
REEL = "AX"
"""Of what comes from a file and no tape."""


def write(analysis: Analysis, path: Path) -> None:
    """An event an appearance.

    Raises:
        UsageError: when the extra ``exports`` is not installed.
    """
    otio = opentimelineio()
    rate = editing_rate(analysis.info.fps)
    track = otio.schema.Track("V", kind=otio.schema.TrackKind.Video)
    appearances, names = appearances_of(analysis), names_of(analysis)
    filled = 0
    for person in analysis.people:
        for _, start, end in on_grid(appearances[person.id], rate):
            # Editing programs find the source by the clip's name: that is not the person's.
            clip = otio.schema.Clip(
                analysis.info.path.name,
                media_of(analysis, rate, otio),
                time_range(start, end, rate, otio),
                metadata={"cmx_3600": {"reel": REEL, "comments": [f"PERSON: {names[person.id]}"]}},
            )
            here = otio.opentime.TimeRange(at(filled, rate, otio), at(1, rate, otio))
            clip.markers.append(otio.schema.Marker(names[person.id], here))
            track.append(clip)
            filled += end - start
    timeline = otio.schema.Timeline(analysis.info.path.stem)
    timeline.tracks.append(track)
    if len(track):
        text = otio.adapters.write_to_string(timeline, "cmx_3600", rate=float(rate))
    else:  # of which the adapter fails
        text = f"TITLE: {timeline.name}\n\n"
    # The adapter writes drop-frame timecodes, but not that they are such.
    mode = "DROP FRAME" if rate in DROPPING else "NON-DROP FRAME"
    text = text.replace("\n\n", f"\nFCM: {mode}\n\n", 1)
    path.write_text(text, encoding="utf-8", newline="\n")
