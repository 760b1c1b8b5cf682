"""The files of a data set: ``manifest.jsonl``, ``pictures.parquet`` and ``left_out.jsonl``.

The manifest has one line for each clip that was written. ``pictures.parquet`` has one row for each
frame of each clip, with the crop in pixels of the source, and box and landmarks in pixels of the
clip. ``left_out.jsonl`` has one line for each rejected part of the people's time.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.clips.plan.clip import Clip
from facetrack.clips.plan.plan import Plan
from facetrack.clips.plan.segments import Rejected
from facetrack.clips.plan.training_clips import TrackedFaces, TrainingClip
from facetrack.core.atomic_write import write_json
from facetrack.core.parquet import write_table
from facetrack.core.settings import ClipSettings
from facetrack.timeline import CORNERS, Analysis, boxes_of, landmarks_of
from facetrack.timeline.rendered import DATA_SET_FILES

MANIFEST, FRAMES, REJECTED = map(Path, DATA_SET_FILES)
COLUMNS = pa.schema(
    [
        ("clip", pa.string()),
        ("picture", pa.int32()),
        ("frame", pa.int32()),
        ("source_s", pa.float64()),
        ("crop_x", pa.float32()),
        ("crop_y", pa.float32()),
        ("crop_width", pa.float32()),
        ("crop_height", pa.float32()),
        *((name, pa.float32()) for name in CORNERS),
        ("landmarks", pa.list_(pa.float32(), 10)),
    ]
)
"""Columns of ``pictures.parquet``: ``crop_x`` and ``crop_y`` are the crop's centre, and ``picture``
counts the frames of the clip from 0."""


def write_manifest(
    out: Path,
    analysis: Analysis,
    plan: Plan,
    written: Mapping[Path, str | None],
    settings: ClipSettings,
) -> None:
    """Writes the three files.

    Args:
        out: the result folder.
        written: the plan's clips that were written: path, relative to ``out``, and what of the
            sound could not be read.
    """
    made = [
        (clip, scored)
        for clip, scored in zip(plan.clips, plan.training_clips, strict=True)
        if clip.path in written
    ]
    lines = [
        _line(clip, scored, plan.names, analysis, settings) | {"sound_error": written[clip.path]}
        for clip, scored in made
    ]
    tracked = TrackedFaces.of(analysis)
    tables = [_images(clip, tracked.of_track(scored.track)) for clip, scored in made]
    (out / MANIFEST).parent.mkdir(parents=True, exist_ok=True)
    write_table(out / FRAMES, pa.concat_tables([COLUMNS.empty_table(), *tables]))
    _write_lines(out / REJECTED, (_rejected_line(one) for one in plan.rejected))
    _write_lines(out / MANIFEST, lines)


def _line(
    clip: Clip,
    scored: TrainingClip,
    names: dict[int, str],
    analysis: Analysis,
    settings: ClipSettings,
) -> dict[str, Any]:
    person, seconds = scored.segment.people[0], float(clip.edges_s[-1])
    rate = settings.wav_rate if analysis.info.has_audio else None
    return {
        "clip": clip.path.as_posix(),
        "wav": clip.path.with_suffix(".wav").as_posix() if rate else None,
        "pictures": FRAMES.as_posix(),
        "person": person,
        "name": names[person],
        "track": scored.track,
        "source": str(analysis.info.path),
        **asdict(scored.segment.ranges[0]),
        "frames": len(clip.frames),
        "fps": str(settings.frame_rate or analysis.info.fps),
        "seconds": round(seconds, 6),
        "sample_rate": rate,
        "samples": round(Fraction(seconds).limit_denominator(10**6) * rate) if rate else None,
        "width": clip.size[0],
        "height": clip.size[1],
        "scores": {
            name: round(getattr(scored, name), 4)
            for name in ("face_px", "frontality", "sharpness", "detection")
        },
    }


def _rejected_line(one: Rejected) -> dict[str, Any]:
    return {
        "person": one.people[0],
        "track": one.track,
        **asdict(one.frame_range),
        "reason": one.reason,
        "detail": one.detail,
    }


def _images(clip: Clip, mine: pa.Table) -> pa.Table:
    """Rows of ``COLUMNS`` for one clip; ``mine``: the faces of the clip's track, by frame."""
    (panel,) = clip.panels
    rows = mine.take(np.searchsorted(mine["frame"].to_numpy(), clip.frames))
    n = len(clip.frames)
    places = np.concatenate([boxes_of(rows), landmarks_of(rows).reshape(n, 10)], axis=1)
    on_clip = _to_clip(places.astype(np.float64), clip)
    landmarks = pa.array(on_clip[:, 4:].reshape(-1).astype(np.float32))
    columns = [
        pa.array([clip.path.as_posix()] * n),
        pa.array(np.arange(n, dtype=np.int32)),
        pa.array(clip.frames),
        pa.array(clip.source_s),
        *(pa.array(column.astype(np.float32)) for column in (*panel.crops.T, *on_clip[:, :4].T)),
        pa.FixedSizeListArray.from_arrays(landmarks, 10),
    ]
    return pa.Table.from_arrays(columns, schema=COLUMNS)


def _to_clip(values: NDArray[np.float64], clip: Clip) -> NDArray[np.float64]:
    """Converts ``(n, 2k)`` alternating x and y from pixels of the source to pixels of the clip."""
    crops = clip.panels[0].crops
    corner = crops[:, None, :2] - crops[:, None, 2:] / 2
    scale = np.array(clip.size) / crops[:, None, 2:]
    return np.asarray(((values.reshape(len(values), -1, 2) - corner) * scale).reshape(values.shape))


def _write_lines(final: Path, lines: Iterable[dict[str, Any]]) -> None:
    write_json(final, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
