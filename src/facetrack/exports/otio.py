"""Timelines for editing programs that the OpenTimelineIO library writes: its own JSON, and EDL.

Positions in ``otio`` are frames at the source's rate. The exact seconds and the source's frame
numbers are in each clip's metadata, under ``facetrack``.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

from facetrack.core.errors import UsageError
from facetrack.core.frame_range import FrameRange
from facetrack.exports.person_ranges import (
    editing_rate,
    frame_times_of,
    on_grid,
    person_names,
    person_ranges,
    printable,
)
from facetrack.timeline import Analysis, Person

DROP_FRAME_RATES = (Fraction(30000, 1001), Fraction(60000, 1001))
"""Rates at which timecode skips numbers to keep up with the clock."""
REEL = "AX"
"""Reel name of a source that is a file, not a tape."""


class OtioExporter:
    """OpenTimelineIO: one track per person, with gaps while the person is off screen.

    Cuts of the video are markers.
    """

    name = "otio"
    suffix = ".otio"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes the timeline as OpenTimelineIO's own JSON.

        Raises:
            UsageError: when the extra ``exports`` is not installed.
        """
        otio = opentimelineio()
        path.write_text(timeline_of(analysis, otio).to_json_string() + "\n", encoding="utf-8")


class EdlExporter:
    """CMX 3600 edit decision list: each person's intervals, one person after the other.

    The format has one video track, which cannot hold two people at the same time. So the list is
    what editors call a string-out: the intervals of person 1 in order, then those of person 2. Each
    event names its person in a comment and in a locator. Timecodes count from 00:00:00:00, at the
    source's frame rate or at the closest rate that timecode has.
    """

    name = "edl"
    suffix = ".edl"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one event per interval.

        Raises:
            UsageError: when the extra ``exports`` is not installed.
        """
        otio = opentimelineio()
        rate = editing_rate(analysis.info.fps)
        timeline = otio.schema.Timeline(printable(analysis.info.path.stem))
        track = _string_out(analysis, rate, otio)
        timeline.tracks.append(track)
        if len(track):
            text = otio.adapters.write_to_string(timeline, "cmx_3600", rate=float(rate))
        else:  # the adapter fails on an empty track
            text = f"TITLE: {timeline.name}\n\n"
        # The adapter writes drop-frame timecodes, but not the line that says so.
        mode = "DROP FRAME" if rate in DROP_FRAME_RATES else "NON-DROP FRAME"
        text = text.replace("\n\n", f"\nFCM: {mode}\n\n", 1)
        path.write_text(text, encoding="utf-8", newline="\n")


def opentimelineio() -> Any:
    """The library, which is installed only with the extra ``exports``.

    Raises:
        UsageError: when the library or its EDL adapter is not installed.
    """
    try:
        import opentimelineio as otio
        import otio_cmx3600_adapter  # noqa: F401  (the library finds it by name, as a plugin)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"otio and edl need the package {error.name}, which is missing; "
            "pip install 'facetrack[exports]'"
        ) from error
    return otio


def timeline_of(analysis: Analysis, otio: Any) -> Any:
    """An OpenTimelineIO ``Timeline``.

    Args:
        otio: the library.
    """
    rate = analysis.info.fps
    source = analysis.info.path
    timeline = otio.schema.Timeline(printable(source.stem), global_start_time=_at(0, rate, otio))
    timeline.metadata["facetrack"] = {"source": printable(str(source))}
    ranges, names = person_ranges(analysis), person_names(analysis)
    for person in analysis.people:
        timeline.tracks.append(_track(analysis, person, names[person.id], ranges[person.id], otio))
    frame_times = frame_times_of(analysis)
    for shot in analysis.shots[1:]:
        cut = round(frame_times.at(shot.start_frame) * rate)
        timeline.tracks.markers.append(
            otio.schema.Marker(
                "cut", _time_range(cut, cut, rate, otio), otio.schema.MarkerColor.BLACK
            )
        )
    return timeline


def _track(
    analysis: Analysis, person: Person, name: str, ranges: list[FrameRange], otio: Any
) -> Any:
    """One person's track: clips at their times in the source, gaps between them."""
    rate = analysis.info.fps
    track = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
    track.metadata["facetrack"] = {"person": person.id, "seconds": person.seconds}
    filled = 0
    for one, start, end in on_grid(ranges, rate):
        if start > filled:
            track.append(otio.schema.Gap(source_range=_time_range(0, start - filled, rate, otio)))
        clip = otio.schema.Clip(
            name, _media(analysis, rate, otio), _time_range(start, end, rate, otio)
        )
        clip.metadata["facetrack"] = {
            "person": person.id,
            "start_frame": one.start_frame,
            "end_frame": one.end_frame,
            "start_s": one.start_s,
            "end_s": one.end_s,
        }
        track.append(clip)
        filled = end
    return track


def _string_out(analysis: Analysis, rate: Fraction, otio: Any) -> Any:
    """A track of all people's intervals, back to back, one person after the other."""
    track = otio.schema.Track("V", kind=otio.schema.TrackKind.Video)
    ranges, names = person_ranges(analysis), person_names(analysis)
    filled = 0
    for person in analysis.people:
        for _, start, end in on_grid(ranges[person.id], rate):
            # Editing programs find the source by the clip's name, so it is the file's name.
            clip = otio.schema.Clip(
                printable(analysis.info.path.name),
                _media(analysis, rate, otio),
                _time_range(start, end, rate, otio),
                metadata={"cmx_3600": {"reel": REEL, "comments": [f"PERSON: {names[person.id]}"]}},
            )
            marked = otio.opentime.TimeRange(_at(filled, rate, otio), _at(1, rate, otio))
            clip.markers.append(otio.schema.Marker(names[person.id], marked))
            track.append(clip)
            filled += end - start
    return track


def _media(analysis: Analysis, rate: Fraction, otio: Any) -> Any:
    """A reference to the source; each clip needs one of its own."""
    media = otio.schema.ExternalReference(
        analysis.info.path.resolve().as_uri(),
        _time_range(0, round(analysis.info.duration_s * rate), rate, otio),
    )
    media.name = printable(analysis.info.path.stem)
    return media


def _at(frame: int, rate: Fraction, otio: Any) -> Any:
    """A frame number as ``RationalTime``."""
    return otio.opentime.RationalTime(frame, float(rate))


def _time_range(start: int, end: int, rate: Fraction, otio: Any) -> Any:
    """The ``TimeRange`` of frames ``[start, end)``."""
    return otio.opentime.TimeRange(_at(start, rate, otio), _at(end - start, rate, otio))
