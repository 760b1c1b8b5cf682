"""The data that the page's script draws the timeline from: intervals, cuts, and files to play.

Addresses of the video and the clips are relative to the page where that is possible, so that a
folder can move together with its video.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from facetrack.core.errors import InputError
from facetrack.core.parquet import read_table_below, typed
from facetrack.core.received_files import file_below
from facetrack.report.template import label
from facetrack.timeline import Analysis

JUMP_S = 0.25
"""A clip whose source time advances this much more than its own time skips a part of the source."""
CROPS_FILE = "crops.parquet"
CLIP_COLUMNS = pa.schema({
    "clip": pa.string(), "person": pa.int32(), "time_s": pa.float64(), "at_s": pa.float64(),
})  # fmt: skip
"""The columns of ``crops.parquet`` that are read."""


@dataclass(frozen=True)
class ClipPart:
    """A part of the source that a clip shows without a break."""

    start_s: float
    """Presentation time of its first frame in the source."""
    end_s: float
    """Presentation time of its last frame in the source."""
    clip_start_s: float
    """When the part begins in the clip."""


def analyzed_range_s(analysis: Analysis) -> tuple[float, float]:
    """Presentation times at which the analysed part of the video begins and ends."""
    times = analysis.frame_times
    return (float(times[0]) if len(times) else 0.0), analysis.info.duration_s


def timeline_data(analysis: Analysis, folder: Path) -> dict[str, Any]:
    """JSON that ``page.js`` reads; times are seconds of the source.

    Args:
        folder: the page's folder.
    """
    times, first = analysis.frame_times, analysis.first_frame
    row = {person.id: i for i, person in enumerate(analysis.people)}
    start_s, end_s = analyzed_range_s(analysis)
    info = analysis.info
    return {
        "start": start_s,
        "end": end_s,
        "people": [{"id": p.id, "label": label(p)} for p in analysis.people],
        "intervals": [
            [row[i.person], i.start_frame, i.end_frame, round(i.start_s, 4), round(i.end_s, 4)]
            for i in sorted(analysis.intervals, key=lambda i: (row[i.person], i.start_frame))
        ],
        "cuts": [round(float(times[s.start_frame - first]), 4) for s in analysis.shots],
        "source": {
            "url": source_address(info.path, folder),
            "name": info.path.name,
            "codec": info.video_codec,
        },
        "clips": [
            {
                "url": url,
                "person": person,
                "parts": [
                    [round(t, 4) for t in (p.start_s, p.end_s, p.clip_start_s)] for p in parts
                ],
            }
            for (url, person), parts in clip_parts(folder).items()
        ],
    }


def source_address(source: Path, folder: Path) -> str | None:
    """The video's address: where it was analysed, else beside the folder or in it.

    Args:
        folder: the page's folder.

    Returns:
        None when the video is in none of these places.
    """
    for place in (source, folder / source.name, folder.parent / source.name):
        if place.is_file():
            return _address(place, folder)
    return None


def clip_parts(folder: Path) -> dict[tuple[str, int], list[ClipPart]]:
    """What each of the folder's clips shows: its address and person to its parts, in order.

    Clips that no longer exist are left out. Without a readable ``crops.parquet`` there are none.
    """
    try:
        table = typed(read_table_below(folder, CROPS_FILE), CLIP_COLUMNS, CROPS_FILE)
        order = [(name, "ascending") for name in ("clip", "person", "at_s")]
        table = table.sort_by(order)
        time_s, at_s = table["time_s"].to_numpy(), table["at_s"].to_numpy()
        clips = table["clip"].combine_chunks().dictionary_encode()
        names, clip, person = clips.dictionary, clips.indices.to_numpy(), table["person"].to_numpy()
    except (OSError, ValueError, LookupError, pa.ArrowException, InputError):
        return {}  # there is none, or it was edited by hand
    new = np.diff(clip, prepend=-1) != 0
    new |= np.diff(person, prepend=-1) != 0
    new |= np.abs(np.diff(time_s - at_s, prepend=0)) > JUMP_S
    starts = np.flatnonzero(new)
    found: dict[tuple[str, int], list[ClipPart]] = {}
    ends = np.append(starts[1:], len(time_s))
    for start, end in zip(starts, ends, strict=False):  # without clips there is one end, no start
        name = names[int(clip[start])].as_py()
        if file_below(folder, name):
            key = _address(folder / name, folder), int(person[start])
            part = ClipPart(float(time_s[start]), float(time_s[end - 1]), float(at_s[start]))
            found.setdefault(key, []).append(part)
    return found


def _address(path: Path, folder: Path) -> str:
    """Relative to the folder; a ``file:`` URL where no relative path leads there."""
    path = Path(os.path.abspath(path))
    try:
        relative = Path(os.path.relpath(path, os.path.abspath(folder)))
    except ValueError:  # another drive
        return path.as_uri()
    return quote(os.fsencode(relative.as_posix()))
