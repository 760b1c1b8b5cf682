"""The folder an analysis lives in, written and read.

``timeline.json`` (schema ``facetrack/timeline/1``), ``faces.parquet``, ``frames.parquet`` (the
presentation time of every frame), ``embeddings.npz``, ``people/*.jpg`` and ``metrics.jsonl`` (how
the run went, sampled). Each file is written under a temporary name first; ``timeline.json`` comes
last, so a folder that has one is whole.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facetrack.analysis.faces import FACE_COLUMNS
from facetrack.analysis.parts import Dropped, Interval, Person, Shot, TrackSummary
from facetrack.errors import InputError
from facetrack.metrics import as_lines, from_lines
from facetrack.types import VideoInfo
from facetrack.whole_file import whole_file

if TYPE_CHECKING:
    from facetrack.analysis.result import Analysis

SCHEMA = "facetrack/timeline/1"
METRICS_FILE = "metrics.jsonl"


def write_folder(analysis: "Analysis", folder: Path) -> None:
    """Writes the folder's files; raises ``OSError`` when it cannot."""
    (folder / "people").mkdir(parents=True, exist_ok=True)
    for old in (folder / "people").glob("person_*.jpg"):
        old.unlink()
    for person, jpeg in analysis.thumbnails.items():
        with whole_file(folder / "people" / thumbnail_name(person)) as path:
            path.write_bytes(jpeg)
    with whole_file(folder / "faces.parquet") as path:
        pq.write_table(analysis.faces, path)
    n = len(analysis.frame_times)
    frames = pa.table(
        {
            "frame": pa.array(range(analysis.first_frame, analysis.first_frame + n), pa.int32()),
            "time_s": pa.array(analysis.frame_times, pa.float64()),
        }
    )
    with whole_file(folder / "frames.parquet") as path:
        pq.write_table(frames, path)
    with whole_file(folder / "embeddings.npz") as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{str(t): e for t, e in analysis.embeddings.items()})
    with whole_file(folder / METRICS_FILE) as path:
        path.write_text(as_lines(analysis.metrics))
    with whole_file(folder / "timeline.json") as path:
        path.write_text(json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False) + "\n")


def read_folder(folder: Path) -> dict[str, Any]:
    """The fields of the ``Analysis`` that ``write_folder`` wrote.

    Raises:
        InputError: when the folder holds no whole analysis of this schema.
    """
    try:
        data = json.loads((folder / "timeline.json").read_text())
        if data.get("schema") != SCHEMA:
            raise InputError(f"{folder}/timeline.json is {data.get('schema')!r}, not {SCHEMA}")
        frames = pq.read_table(folder / "frames.parquet")
        with np.load(folder / "embeddings.npz") as stored:
            embeddings = {int(track): stored[track] for track in stored.files}
        source = data["source"]
        people = [Person(**p) for p in data["people"]]
        tracks = [TrackSummary(**t) for t in data["tracks"]]
        whole = source["first_frame"], source["first_frame"] + frames.num_rows
        return dict(
            info=VideoInfo(
                path=Path(source["path"]),
                width=source["width"],
                height=source["height"],
                rotation=source["rotation"],
                frame_count=source["frame_count"],
                fps=Fraction(source["fps"]),
                duration_s=source["duration_s"],
                has_audio=source["has_audio"],
                video_codec=source["video_codec"],
            ),
            people=people,
            tracks=tracks,
            intervals=[_checked(i, people, whole) for i in data["intervals"]],
            shots=[Shot(**s) for s in data["shots"]],
            dropped=[Dropped(**d) for d in data["dropped"]],
            faces=_of_people(pq.read_table(folder / "faces.parquet"), tracks),
            frame_times=frames["time_s"].to_numpy(),
            first_frame=source["first_frame"],
            embeddings=embeddings,
            thumbnails={p.id: (folder / p.thumbnail).read_bytes() for p in people if p.thumbnail},
            warnings=data["warnings"],
            damaged=source["damaged"],
            metrics=from_lines((folder / METRICS_FILE).read_text()),
            settings=data["settings"],
            performance=data["performance"],
        )
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise InputError(
            f"{folder} holds no readable analysis ({error}); make one with: facetrack analyze"
        ) from error


def thumbnail_name(person: int) -> str:
    return f"person_{person:02}.jpg"


def _checked(given: dict[str, Any], people: Sequence[Person], frames: tuple[int, int]) -> Interval:
    interval = Interval(**given)
    if interval.person not in {p.id for p in people}:
        raise ValueError(f"an interval is of person {interval.person}, who is not among the people")
    if not frames[0] <= interval.start_frame < interval.end_frame <= frames[1]:
        raise ValueError(
            f"person {interval.person} has an interval of frames {interval.start_frame} to "
            f"{interval.end_frame}; the video's are {frames[0]} to {frames[1]}"
        )
    return interval


def _of_people(faces: pa.Table, tracks: Sequence[TrackSummary]) -> pa.Table:
    """The faces, each of the person of its track."""
    person_of = np.zeros(max((t.id for t in tracks), default=0) + 1, np.int32)
    for track in tracks:
        person_of[track.id] = track.person
    person = pa.array(person_of[faces["track"].to_numpy()], pa.int32())
    return faces.set_column(
        faces.column_names.index("person"), FACE_COLUMNS.field("person"), person
    )
