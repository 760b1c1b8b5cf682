"""The folder an analysis lives in, written and read.

``timeline.json`` (schema ``facetrack/timeline/1``), ``faces.parquet``, ``frames.parquet`` (the
presentation time of every frame), ``embeddings.npz``, ``people/*.jpg`` and ``metrics.jsonl`` (how
the run went, sampled). Each file is written under a temporary name first; ``timeline.json`` comes
last, so a folder that has one is whole.
"""

import json
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa

from facetrack.core.atomic_write import atomic_write, write_json
from facetrack.core.errors import InputError
from facetrack.core.parquet import read_table, write_table
from facetrack.core.types import Float32, VideoInfo
from facetrack.recognition.calibration import FACENET, SFACE, Calibration
from facetrack.runtime.metrics import as_lines, from_lines
from facetrack.timeline.faces import FACE_COLUMNS
from facetrack.timeline.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    TrackSummary,
    Uncertain,
)

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis

SCHEMA = "facetrack/timeline/1"
METRICS_FILE = "metrics.jsonl"

Part = TypeVar("Part")
Value = TypeVar("Value")

UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, zipfile.BadZipFile,
    pa.ArrowException,
)  # fmt: skip
"""What a folder that was damaged or edited may raise."""


def write_folder(analysis: "Analysis", folder: Path) -> None:
    """See ``Analysis.save``.

    Raises:
        OSError: when a file cannot be written.
    """
    (folder / "people").mkdir(parents=True, exist_ok=True)
    for old in (folder / "people").glob("person_*.jpg"):
        old.unlink()
    for person, jpeg in analysis.thumbnails.items():
        with atomic_write(folder / "people" / thumbnail_name(person)) as path:
            path.write_bytes(jpeg)
    write_table(folder / "faces.parquet", analysis.faces)
    write_table(folder / "frames.parquet", analysis.table("frames"))
    with atomic_write(folder / "embeddings.npz") as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{str(t): e for t, e in analysis.embeddings.items()})
    write_json(folder / METRICS_FILE, as_lines(analysis.metrics))
    timeline = json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False)
    write_json(folder / "timeline.json", timeline + "\n")


def read_folder(folder: Path) -> dict[str, Any]:
    """The fields of the ``Analysis``; see ``Analysis.load``.

    Raises:
        InputError: when the folder holds no whole analysis of this schema.
    """
    try:
        data = _of_type(json.loads((folder / "timeline.json").read_text("utf-8")), dict, "it")
        if data.get("schema") != SCHEMA:
            raise InputError(f"{folder}/timeline.json is {data.get('schema')!r}, not {SCHEMA}")
        return _fields(folder, data)
    except UNREADABLE as error:
        raise InputError(
            f"{folder} holds no readable analysis ({error}); make one with: facetrack analyze"
        ) from error


def thumbnail_name(person: int) -> str:
    """Of the picture in ``people/``, by the person's number."""
    return f"person_{person:02}.jpg"


def _fields(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    people = _parts(Person, data, "people")
    tracks = _parts(TrackSummary, data, "tracks")
    source = dict(data["source"])
    first_frame = _of_type(source.pop("first_frame"), int, "source: first_frame")
    times_s = read_table(folder / "frames.parquet")["time_s"].to_numpy()
    frames = first_frame, first_frame + len(times_s)
    recognizer = _recognizer(data)
    return {
        "info": _info(source),
        "people": people,
        "tracks": [_checked_track(t, people) for t in tracks],
        "intervals": [_checked(i, people, frames) for i in _parts(Interval, data, "intervals")],
        "shots": _parts(Shot, data, "shots"),
        "dropped": _parts(Dropped, data, "dropped"),
        "faces": _faces(read_table(folder / "faces.parquet"), tracks, frames),
        "frame_times": times_s,
        "first_frame": first_frame,
        "embeddings": _embeddings(folder / "embeddings.npz", recognizer.dim),
        "recognizer": recognizer,
        "splits": _parts(Split, data, "splits") if "splits" in data else [],
        "uncertain": _parts(Uncertain, data, "uncertain") if "uncertain" in data else [],
        "thumbnails": {p.id: (folder / p.thumbnail).read_bytes() for p in people if p.thumbnail},
        "warnings": _of_type(data["warnings"], list, "warnings"),
        "damaged": _of_type(data["source"]["damaged"], bool, "source: damaged"),
        "metrics": from_lines((folder / METRICS_FILE).read_text("utf-8")),
        "settings": _of_type(data["settings"], dict, "settings"),
        "performance": _of_type(data["performance"], dict, "performance"),
        "next_person": _of_type(data.get("next_person", 0), int, "next_person"),
    }


def _recognizer(data: dict[str, Any]) -> RecognizerInfo:
    """As it is stored; before there were several it was InceptionResnetV1 alone."""
    if "recognizer" not in data:
        name = data["settings"].get("identity", {}).get("recognizer")
        if name == "sface":
            return RecognizerInfo("sface", 128, SFACE)
        return RecognizerInfo("vggface2" if name == "vggface2" else "facenet", 512, FACENET)
    stored = _of_type(data["recognizer"], dict, "recognizer")
    return RecognizerInfo(
        _of_type(stored.get("name"), str, "recognizer: name"),
        _of_type(stored.get("dim"), int, "recognizer: dim"),
        Calibration.from_dict(_of_type(stored.get("calibration"), dict, "recognizer: calibration")),
    )


def _of_type(value: Any, kind: type[Value], what: str) -> Value:
    if not isinstance(value, kind):
        raise ValueError(f"{what} is {value!r}, no {kind.__name__}")
    return value


def _parts(kind: type[Part], data: dict[str, Any], name: str) -> list[Part]:
    parts = [_part(kind, given, f"{name}[{i}]") for i, given in enumerate(data[name])]
    ids = [part.id for part in parts if isinstance(part, Person | TrackSummary)]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"{name}: there are two of number {twice[0]}")
    return parts


def _part(kind: type[Part], given: dict[str, Any], where: str) -> Part:
    """A dataclass with the fields that it has, each of its type."""
    for name, wanted in get_type_hints(kind).items():
        kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
        kinds = tuple(get_origin(k) or k for k in kinds)
        number = float in kinds and isinstance(given.get(name), int)
        if name in given and not number and not isinstance(given[name], kinds):
            raise ValueError(f"{where}: {name} is {given[name]!r}")
    try:
        return kind(**given)
    except TypeError as error:  # of a field that is missing or unknown
        raise ValueError(f"{where}: {str(error).partition('() ')[2]}") from error


def _info(source: dict[str, Any]) -> VideoInfo:
    return _part(
        VideoInfo,
        {k: v for k, v in source.items() if k != "damaged"}
        | {"path": Path(source["path"]), "fps": Fraction(source["fps"])},
        "source",
    )


def _checked_track(track: TrackSummary, people: Sequence[Person]) -> TrackSummary:
    if track.person and track.person not in {p.id for p in people}:
        raise ValueError(
            f"track {track.id} is of person {track.person}, who is not among the people"
        )
    return track


def _checked(interval: Interval, people: Sequence[Person], frames: tuple[int, int]) -> Interval:
    if interval.person not in {p.id for p in people}:
        raise ValueError(f"an interval is of person {interval.person}, who is not among the people")
    if not frames[0] <= interval.start_frame < interval.end_frame <= frames[1]:
        raise ValueError(
            f"person {interval.person} has an interval of frames {interval.start_frame} to "
            f"{interval.end_frame}; the video's are {frames[0]} to {frames[1]}"
        )
    return interval


def _faces(stored: pa.Table, tracks: Sequence[TrackSummary], frames: tuple[int, int]) -> pa.Table:
    """The faces in their order, each of the person of its track."""
    faces = stored.select(FACE_COLUMNS.names).cast(FACE_COLUMNS)
    at, of_track = faces["frame"].to_numpy(), faces["track"].to_numpy()
    unknown = np.setdiff1d(of_track, [t.id for t in tracks])
    if len(unknown):
        raise ValueError(f"a face is of track {unknown[0]}, which is not among the tracks")
    if len(at) and not frames[0] <= at.min() <= at.max() < frames[1]:
        raise ValueError(
            f"faces are in frames {at.min()} to {at.max()}; the video's are {frames[0]} to "
            f"{frames[1]}"
        )
    ids, persons = np.array([(t.id, t.person) for t in tracks], np.int32).reshape(-1, 2).T
    order = np.argsort(ids)
    person = persons[order[np.searchsorted(ids, of_track, sorter=order)]]
    faces = faces.set_column(
        faces.column_names.index("person"), FACE_COLUMNS.field("person"), pa.array(person)
    )
    if (np.diff(at) < 0).any():
        faces = faces.sort_by([("frame", "ascending"), ("track", "ascending")])
    return faces


def _embeddings(path: Path, dim: int) -> dict[int, Float32]:
    # NumPy leaves a damaged file open when it opened the file itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        embeddings = {int(track): stored[track] for track in stored.files}
    for track, vector in embeddings.items():
        if vector.shape != (dim,) or vector.dtype != np.float32:
            raise ValueError(f"embedding of track {track} is {vector.dtype} {vector.shape}")
    return embeddings
