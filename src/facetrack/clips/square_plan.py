"""Square clips of single people: segments of a fixed length, a crop around the face.

Stands in until the plan makes clips of every mode.
"""

from pathlib import Path

import numpy as np

from facetrack.analysis import Analysis
from facetrack.clips.clip import Clip, Panel, Span
from facetrack.clips.clip import Segment as ClipSegment
from facetrack.clips.segments import Segment, segments_of
from facetrack.clips.square_path import crop_path
from facetrack.clips.target import choose
from facetrack.settings import ClipSettings


def plan_clips(analysis: Analysis, settings: ClipSettings) -> list[Clip]:
    """What is to be rendered.

    Raises:
        TargetError: when the target names nobody of this video.
    """
    edges_s = np.append(analysis.frame_times, analysis.info.duration_s)
    return [
        _clip(analysis, segment, settings)
        for person in choose(settings.target, analysis.people, analysis.faces)
        for segment in segments_of(
            person, analysis.intervals, edges_s, analysis.first_frame, settings
        )
    ]


def _clip(analysis: Analysis, segment: Segment, settings: ClipSettings) -> Clip:
    first, count = segment.start_frame - analysis.first_frame, segment.end_frame
    times_s = analysis.frame_times[first : count - analysis.first_frame]
    faces = analysis.faces
    frame = faces["frame"].to_numpy()
    mine = faces["person"].to_numpy() == segment.person
    rows = np.flatnonzero(mine & (frame >= segment.start_frame) & (frame < segment.end_frame))
    columns = [faces[c].to_numpy()[rows].astype(np.float64) for c in ("x1", "y1", "x2", "y2")]
    known, once = np.unique(frame[rows] - segment.start_frame, return_index=True)
    corners = crop_path(
        times_s,
        known.astype(np.intp),
        np.stack(columns, axis=1)[once],
        [s.start_frame - segment.start_frame for s in analysis.shots],
        (analysis.info.width, analysis.info.height),
        settings.zoom,
    )
    crops = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    person = f"person_{segment.person:02}"
    size = (settings.size, settings.size)
    people = np.full(len(times_s), segment.person, np.int32)
    return Clip(
        path=Path("clips") / person / f"{person}_{segment.index:04}.mp4",
        segment=ClipSegment(
            (segment.person,),
            segment.index,
            (Span(segment.start_frame, segment.end_frame, segment.start_s, segment.end_s),),
        ),
        size=size,
        frames=np.arange(segment.start_frame, segment.end_frame, dtype=np.int32),
        source_s=times_s,
        edges_s=np.append(times_s, segment.end_s) - times_s[0],
        panels=(Panel((0, 0, *size), people, crops),),
    )
