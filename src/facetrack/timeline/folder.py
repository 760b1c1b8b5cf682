"""The folder of an analysis, written and read.

``timeline.json`` (schema ``facetrack/timeline/1``), ``faces.parquet``, ``frames.parquet`` (time and
size of every frame), ``embeddings.npz``, ``people/*.jpg`` (thumbnails) and ``metrics.jsonl``
(samples of the run's load and progress), and ``files.json`` (size and hash of each). They are
written into a folder that nobody reads yet, and switched by ``history``.
"""

import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from facetrack.core.atomic_write import atomic_write, write_json
from facetrack.core.bounded_npz import arrays_of
from facetrack.core.errors import InputError
from facetrack.core.limits import check_limit, limits
from facetrack.core.parquet import read_table_below, typed, write_table
from facetrack.core.received_files import check_folder, is_below, json_of, read_below
from facetrack.core.schema import Seconds, converted
from facetrack.core.types import WIDEST_PIXEL, Float32, VideoInfo
from facetrack.recognition.calibration import FACENET, SFACE, Calibration
from facetrack.runtime.metrics import as_lines, from_lines
from facetrack.timeline.checksums import write_checksums
from facetrack.timeline.faces import FACE_COLUMNS
from facetrack.timeline.frame_sizes import Sizes, changing_sizes
from facetrack.timeline.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    Track,
    Uncertain,
    thumbnail_name,
)
from facetrack.timeline.video_place import located

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis

SCHEMA = "facetrack/timeline/1"
TIMELINE_FILE = "timeline.json"
METRICS_FILE = "metrics.jsonl"
FRAME_TIMES = pa.schema([("time_s", pa.float64())])
FRAME_SIZES = pa.schema([("width", pa.int32()), ("height", pa.int32())])
"""The columns of ``frames.parquet`` that are read; older versions did not write the sizes."""
LARGEST_SIDE = 1 << 16
"""Pixels of a frame's side."""
PEOPLE_FOLDER = "people"
THUMBNAIL = re.compile(r"people/[^/]+\.jpe?g", re.IGNORECASE)
LARGEST_THUMBNAIL = 16 << 20
"""Bytes of a thumbnail that is read."""

UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError,
    NotImplementedError, zipfile.BadZipFile, zlib.error, pa.ArrowException,
)  # fmt: skip
"""What reading a damaged or wrongly edited folder may raise."""


@dataclass(frozen=True, kw_only=True)
class SourceEntry(VideoInfo):
    """``source`` of ``timeline.json``: the video's facts and what was analysed of it."""

    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    frame_count: Annotated[int, Meta(ge=0)]
    duration_s: Seconds
    video_stream: Annotated[int, Meta(ge=0)] | None = None
    audio_stream: Annotated[int, Meta(ge=0)] | None = None
    first_frame: int
    damaged: bool

    @property
    def info(self) -> VideoInfo:
        """The facts alone."""
        return VideoInfo(**{f.name: getattr(self, f.name) for f in fields(VideoInfo)})


@dataclass(frozen=True)
class RecognizerEntry:
    """``recognizer`` of ``timeline.json``."""

    name: str
    dim: int
    calibration: dict[str, float]


@dataclass(frozen=True)
class TimelineFile:
    """All of ``timeline.json``. What has a default here, older versions did not write."""

    source: SourceEntry
    people: list[Person]
    tracks: list[Track]
    intervals: list[Interval]
    shots: list[Shot]
    dropped: list[Dropped]
    warnings: list[str]
    settings: dict[str, Any]
    performance: dict[str, Any]
    splits: list[Split] = field(default_factory=list)
    uncertain: list[Uncertain] = field(default_factory=list)
    recognizer: RecognizerEntry | None = None
    next_person: int = 0


def write_folder(analysis: "Analysis", folder: Path) -> None:
    """Writes an analysis into a folder that has none; see ``Analysis.save``.

    Raises:
        InputError: when the folder of thumbnails is a link.
        OSError: when a file cannot be written.
    """
    check_folder(folder, PEOPLE_FOLDER)
    (folder / "people").mkdir(parents=True, exist_ok=True)
    names = [TIMELINE_FILE, METRICS_FILE, "faces.parquet", "frames.parquet", "embeddings.npz"]
    for person, jpeg in analysis.thumbnails.items():
        names.append(f"{PEOPLE_FOLDER}/{thumbnail_name(person)}")
        with atomic_write(folder / names[-1]) as path:
            path.write_bytes(jpeg)
    write_table(folder / "faces.parquet", analysis.faces)
    write_table(folder / "frames.parquet", analysis.table("frames"))
    with atomic_write(folder / "embeddings.npz") as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{str(t): e for t, e in analysis.embeddings.items()})
    write_json(folder / METRICS_FILE, as_lines(analysis.metrics))
    timeline = json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False)
    write_json(folder / TIMELINE_FILE, timeline + "\n")
    write_checksums(folder, names, analysis.info, analysis.settings)


def read_folder(folder: Path, video: Path | None = None) -> dict[str, Any]:
    """The fields of the ``Analysis``; see ``Analysis.load``.

    Raises:
        InputError: when the folder holds no complete analysis of this schema.
    """
    file = read_timeline(folder)
    try:
        tables = StoredTables(folder, file)
        info = located(file.source.info, folder, video)
        return fields_of(file, info, tables, tables.thumbnails())
    except UNREADABLE as error:
        raise InputError(_unreadable(folder, error)) from error


def read_timeline(folder: Path) -> TimelineFile:
    """``timeline.json`` alone.

    Raises:
        InputError: when there is none of this schema.
    """
    try:
        stored = read_below(folder, TIMELINE_FILE, limits().text_bytes)
        data = converted(json_of(stored), dict, "")
        if data.get("schema") != SCHEMA:
            raise InputError(f"{folder}/timeline.json is {data.get('schema')!r}, not {SCHEMA}")
        file = converted(data, TimelineFile, "")
        info = file.source.info
        check_limit(f"{folder}: the film's frame", "frame_pixels", info.width * info.height)
        check_limit(f"{folder}: the film's length", "film_s", info.duration_s)
        if not 1 / WIDEST_PIXEL <= info.pixel_aspect <= WIDEST_PIXEL:
            raise ValueError(f"source: pixel_aspect is above {WIDEST_PIXEL} or below its inverse")
        return file
    except UNREADABLE as error:
        raise InputError(_unreadable(folder, error)) from error


def _unreadable(folder: Path, error: Exception) -> str:
    return f"{folder} holds no readable analysis ({error}); make one with: facetrack analyze"


class StoredTables:
    """The files beside ``timeline.json``, each read when it is asked for.

    Every part raises one of ``UNREADABLE``, or ``InputError``, when its file is damaged.
    """

    def __init__(self, folder: Path, file: TimelineFile) -> None:
        self._folder, self._file = folder, file

    @cached_property
    def _frames(self) -> pa.Table:
        return read_table_below(self._folder, "frames.parquet")

    @cached_property
    def frame_sizes(self) -> Sizes | None:
        return _frame_sizes(self._frames)

    @cached_property
    def frame_times(self) -> NDArray[np.float64]:
        """See ``Analysis``; so are the others."""
        times_s = _frame_times(self._frames)
        check_limit(f"{self._folder}: the film's frames", "frames", len(times_s))
        _check_people(self._file, self._frames_of(times_s))
        return times_s

    @cached_property
    def faces(self) -> pa.Table:
        stored = read_table_below(self._folder, "faces.parquet")
        return with_people(stored, self._file.tracks, self._frames_of(self.frame_times))

    @cached_property
    def embeddings(self) -> dict[int, Float32]:
        return _embeddings(self._folder, _recognizer(self._file).dim)

    @cached_property
    def metrics(self) -> pa.Table:
        return from_lines(
            read_below(self._folder, METRICS_FILE, limits().text_bytes).decode("utf-8")
        )

    def thumbnails(self) -> dict[int, bytes]:
        """Person -> JPEG."""
        return {p.id: self.thumbnail(p.thumbnail) for p in self._file.people if p.thumbnail}

    def thumbnail(self, name: str) -> bytes:
        """A JPEG of ``people/``: no other file is shown, not even one of the folder.

        Raises:
            InputError: when the name is no such file's, or leads elsewhere.
            OSError: when the file is missing or cannot be read.
        """
        if not is_below(name) or not THUMBNAIL.fullmatch(name):
            raise InputError(
                f"{self._folder}: thumbnail {name[:200]!r} is no JPEG in {PEOPLE_FOLDER}/"
            )
        return read_below(self._folder, name, LARGEST_THUMBNAIL)

    def _frames_of(self, times_s: NDArray[np.float64]) -> tuple[int, int]:
        first_frame = self._file.source.first_frame
        return first_frame, first_frame + len(times_s)


class Tables(Protocol):
    """What an analysis has beside ``timeline.json``."""

    @property
    def frame_times(self) -> NDArray[np.float64]: ...
    @property
    def frame_sizes(self) -> Sizes | None: ...
    @property
    def faces(self) -> pa.Table: ...
    @property
    def embeddings(self) -> dict[int, Float32]: ...
    @property
    def metrics(self) -> pa.Table: ...


def fields_of(
    file: TimelineFile, info: VideoInfo, tables: Tables, thumbnails: dict[int, bytes]
) -> dict[str, Any]:
    """The fields of the ``Analysis`` that ``timeline.json`` and the tables make."""
    return {
        "info": info,
        "people": file.people,
        "tracks": file.tracks,
        "intervals": file.intervals,
        "shots": file.shots,
        "dropped": file.dropped,
        "frame_times": tables.frame_times,
        "frame_sizes": tables.frame_sizes,
        "faces": tables.faces,
        "first_frame": file.source.first_frame,
        "embeddings": tables.embeddings,
        "recognizer": _recognizer(file),
        "splits": file.splits,
        "uncertain": file.uncertain,
        "thumbnails": thumbnails,
        "warnings": file.warnings,
        "damaged": file.source.damaged,
        "metrics": tables.metrics,
        "settings": file.settings,
        "performance": file.performance,
        "next_person": file.next_person,
    }


def _check_people(file: TimelineFile, frames: tuple[int, int]) -> None:
    """Numbers are given once, and tracks and intervals belong to people and frames that exist."""
    for name, ids in (
        ("people", [p.id for p in file.people]), ("tracks", [t.id for t in file.tracks]),
    ):  # fmt: skip
        twice = sorted(number for number, count in Counter(ids).items() if count > 1)
        if twice:
            raise ValueError(f"{name}: there are two of number {twice[0]}")
    people = {p.id for p in file.people}
    for track in file.tracks:
        if track.person and track.person not in people:
            raise ValueError(
                f"track {track.id} is of person {track.person}, who is not among the people"
            )
    for interval in file.intervals:
        if interval.person not in people:
            raise ValueError(
                f"an interval is of person {interval.person}, who is not among the people"
            )
        if not frames[0] <= interval.start_frame < interval.end_frame <= frames[1]:
            raise ValueError(
                f"person {interval.person} has an interval of frames {interval.start_frame} to "
                f"{interval.end_frame}; the video's are {frames[0]} to {frames[1]}"
            )


def _recognizer(file: TimelineFile) -> RecognizerInfo:
    """As it is stored; before there were several it was InceptionResnetV1 alone."""
    stored = file.recognizer
    if stored is not None:
        calibration = Calibration.from_dict(stored.calibration)
        return RecognizerInfo(stored.name, stored.dim, calibration)
    identity = converted(file.settings.get("identity", {}), dict, "settings.identity")
    name = identity.get("recognizer")
    if name == "sface":
        return RecognizerInfo("sface", 128, SFACE)
    return RecognizerInfo("vggface2" if name == "vggface2" else "facenet", 512, FACENET)


def with_people(stored: pa.Table, tracks: Sequence[Track], frames: tuple[int, int]) -> pa.Table:
    """The faces ordered by frame and track, each with the person of its track."""
    faces = typed(stored, FACE_COLUMNS, "faces")
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
    if len(at):
        most = np.unique(at, return_counts=True)[1].max()
        check_limit("faces.parquet: faces in a frame", "frame_faces", int(most))
    if (np.diff(at) < 0).any():
        faces = faces.sort_by([("frame", "ascending"), ("track", "ascending")])
    return faces


def _frame_times(stored: pa.Table) -> NDArray[np.float64]:
    times_s: NDArray[np.float64] = typed(stored, FRAME_TIMES, "frames")["time_s"].to_numpy()
    if (np.diff(times_s) < 0).any():
        raise ValueError("frames: times are not in order")
    return times_s


def _frame_sizes(stored: pa.Table) -> Sizes | None:
    if not set(FRAME_SIZES.names) <= set(stored.column_names) or not len(stored):
        return None
    table = typed(stored, FRAME_SIZES, "frames")
    sizes = np.stack([table[name].to_numpy() for name in FRAME_SIZES.names], axis=1)
    if not 1 <= sizes.min() <= sizes.max() <= LARGEST_SIDE:
        raise ValueError(f"frames: a side is not from 1 to {LARGEST_SIDE} pixels")
    return changing_sizes(sizes)


def _embeddings(folder: Path, dim: int) -> dict[int, Float32]:
    data = read_below(folder, "embeddings.npz", limits().table_bytes)
    stored = arrays_of(data, f"{folder}/embeddings.npz")
    for track, vector in stored.items():
        if vector.shape != (dim,) or vector.dtype != np.float32:
            raise ValueError(f"embedding of track {track} is {vector.dtype} {vector.shape}")
        if not np.isfinite(vector).all():
            raise ValueError(f"embedding of track {track} has a value that is no finite number")
    return {int(track): vector.astype(np.float32, copy=False) for track, vector in stored.items()}
