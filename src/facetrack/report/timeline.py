"""The timeline's data for the page's script, which draws it: spans, cuts, and what plays them."""

from pathlib import Path
from typing import Any

from facetrack.report.media_links import as_data, clip_pieces, source_address
from facetrack.report.text import label
from facetrack.timeline import Analysis


def span_s(analysis: Analysis) -> tuple[float, float]:
    """What was analysed of the video: presentation times of its beginning and its end."""
    times = analysis.frame_times
    return (float(times[0]) if len(times) else 0.0), analysis.info.duration_s


def timeline_data(analysis: Analysis, folder: Path) -> dict[str, Any]:
    """JSON that ``page.js`` reads; times in seconds of the source."""
    times, first = analysis.frame_times, analysis.first_frame
    row = {person.id: i for i, person in enumerate(analysis.people)}
    start_s, end_s = span_s(analysis)
    info = analysis.info
    return {
        "start": start_s,
        "end": end_s,
        "people": [{"id": p.id, "label": label(p)} for p in analysis.people],
        "spans": [
            [row[i.person], i.start_frame, i.end_frame, round(i.start_s, 4), round(i.end_s, 4)]
            for i in sorted(analysis.intervals, key=lambda i: (row[i.person], i.start_frame))
        ],
        "cuts": [round(float(times[s.start_frame - first]), 4) for s in analysis.shots],
        "source": {
            "url": source_address(info.path, folder),
            "name": info.path.name,
            "codec": info.video_codec,
        },
        "clips": as_data(clip_pieces(folder)),
    }
