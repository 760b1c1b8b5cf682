"""OpenTimelineIO: a track a person, with gaps where they are not on screen.

Positions are frames at the source's rate; what they are in exact seconds and in the source's own
frame numbers is in each clip's metadata, under ``facetrack``. Cuts of the film are markers.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

from facetrack.core.frame_range import FrameRange
from facetrack.exports.appearances import appearances_of, clock_of, names_of, on_grid
from facetrack.exports.editing import opentimelineio
from facetrack.timeline import Analysis, Person


def write(analysis: Analysis, path: Path) -> None:
    """The timeline as OpenTimelineIO's own JSON.

    Raises:
        UsageError: when the extra ``exports`` is not installed.
    """
    otio = opentimelineio()
    path.write_text(timeline_of(analysis, otio).to_json_string() + "\n", encoding="utf-8")


def timeline_of(analysis: Analysis, otio: Any) -> Any:
    """A ``Timeline``; ``otio`` is the library."""
    rate = analysis.info.fps
    timeline = otio.schema.Timeline(analysis.info.path.stem, global_start_time=at(0, rate, otio))
    timeline.metadata["facetrack"] = {"source": str(analysis.info.path)}
    appearances, names = appearances_of(analysis), names_of(analysis)
    for person in analysis.people:
        timeline.tracks.append(
            _track(analysis, person, names[person.id], appearances[person.id], otio)
        )
    frame_times = clock_of(analysis)
    for shot in analysis.shots[1:]:
        cut = round(frame_times.at(shot.start_frame) * rate)
        timeline.tracks.markers.append(
            otio.schema.Marker(
                "cut", time_range(cut, cut, rate, otio), otio.schema.MarkerColor.BLACK
            )
        )
    return timeline


def media_of(analysis: Analysis, rate: Fraction, otio: Any) -> Any:
    """The source as a clip refers to it; clips share none."""
    media = otio.schema.ExternalReference(
        analysis.info.path.resolve().as_uri(),
        time_range(0, round(analysis.info.duration_s * rate), rate, otio),
    )
    media.name = analysis.info.path.stem
    return media


def at(frame: int, rate: Fraction, otio: Any) -> Any:
    """A ``RationalTime``."""
    return otio.opentime.RationalTime(frame, float(rate))


def time_range(start: int, end: int, rate: Fraction, otio: Any) -> Any:
    """The ``TimeRange`` of frames ``[start, end)``."""
    return otio.opentime.TimeRange(at(start, rate, otio), at(end - start, rate, otio))


def _track(
    analysis: Analysis, person: Person, name: str, appearances: list[FrameRange], otio: Any
) -> Any:
    rate = analysis.info.fps
    track = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
    track.metadata["facetrack"] = {"person": person.id, "seconds": person.seconds}
    filled = 0
    for one, start, end in on_grid(appearances, rate):
        if start > filled:
            track.append(otio.schema.Gap(source_range=time_range(0, start - filled, rate, otio)))
        clip = otio.schema.Clip(
            name, media_of(analysis, rate, otio), time_range(start, end, rate, otio)
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
