"""The result of an analysis, and the folder it lives in.

``timeline.json`` (schema ``facetrack/timeline/1``), ``faces.parquet``, ``frames.parquet`` (the
presentation time of every frame), ``embeddings.npz``, ``people/*.jpg`` and ``metrics.jsonl`` (how
the run went, sampled). Each file is written under a temporary name first; ``timeline.json`` comes
last, so a folder that has one is whole.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facetrack.errors import InputError
from facetrack.metrics import as_lines, as_table, from_lines
from facetrack.types import Float32, VideoInfo
from facetrack.whole_file import whole_file

SCHEMA = "facetrack/timeline/1"
METRICS_FILE = "metrics.jsonl"

FACE_COLUMNS = pa.schema(
    [
        ("frame", pa.int32()),
        ("time_s", pa.float64()),
        ("track", pa.int32()),
        ("person", pa.int32()),
        ("x1", pa.float32()),
        ("y1", pa.float32()),
        ("x2", pa.float32()),
        ("y2", pa.float32()),
        ("score", pa.float32()),
        ("landmarks", pa.list_(pa.float32(), 10)),
        ("source", pa.string()),
    ]
)
"""One row a face and frame; boxes and landmarks in pixels of the upright picture."""
CORNERS = ("x1", "y1", "x2", "y2")
"""The columns of a face's box."""


def boxes_of(faces: pa.Table) -> Float32:
    """``(n, 4)`` x1 y1 x2 y2 of rows of ``FACE_COLUMNS``."""
    return np.stack([faces[corner].to_numpy() for corner in CORNERS], axis=1)


def landmarks_of(faces: pa.Table) -> Float32:
    """``(n, 5, 2)`` x y of rows of ``FACE_COLUMNS``."""
    points: Float32 = faces["landmarks"].combine_chunks().flatten().to_numpy()
    return points.reshape(-1, 5, 2)


@dataclass(frozen=True)
class Person:
    id: int
    """From 1, by screen time, most first."""
    name: str
    frames: int
    seconds: float
    first_s: float
    last_s: float
    thumbnail: str | None
    """Path of a picture, relative to the folder."""


@dataclass(frozen=True)
class TrackSummary:
    id: int
    person: int
    """0: nobody known."""
    first_frame: int
    last_frame: int
    """Inclusive."""


@dataclass(frozen=True)
class Interval:
    """A stretch of frames in which a person is on screen without a break."""

    person: int
    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: float
    end_s: float
    """Presentation time of the frame after the last one, or the end of the video."""


@dataclass(frozen=True)
class Shot:
    start_frame: int
    end_frame: int
    """Exclusive."""


@dataclass(frozen=True)
class Dropped:
    """A track that became nobody, and why."""

    track: int
    reason: str
    """``too short``, ``too small`` or ``unsure``."""
    detail: str
    first_frame: int
    last_frame: int


@dataclass(frozen=True)
class Analysis:
    """Who is on screen when, in one video."""

    info: VideoInfo
    people: list[Person]
    tracks: list[TrackSummary]
    intervals: list[Interval]
    shots: list[Shot]
    dropped: list[Dropped]
    faces: pa.Table
    """Columns of ``FACE_COLUMNS``, ordered by frame, then track."""
    frame_times: NDArray[np.float64]
    """Presentation time in seconds of each analysed frame."""
    first_frame: int
    """Index of the first analysed frame in the source."""
    embeddings: dict[int, Float32]
    """Track id to 512 floats of length one."""
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    """Person id to a JPEG."""
    warnings: list[str] = field(default_factory=list)
    damaged: bool = False
    """Whether a part of the source could not be read."""
    metrics: pa.Table = field(default_factory=lambda: as_table([]))
    """Columns of ``metrics.COLUMNS`` that are known: samples of the run, by time."""
    settings: dict[str, Any] = field(default_factory=dict)
    performance: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """What ``timeline.json`` holds."""
        info = self.info
        return {
            "schema": SCHEMA,
            "source": {
                "path": str(info.path),
                "width": info.width,
                "height": info.height,
                "rotation": info.rotation,
                "frame_count": info.frame_count,
                "fps": f"{info.fps.numerator}/{info.fps.denominator}",
                "duration_s": info.duration_s,
                "has_audio": info.has_audio,
                "video_codec": info.video_codec,
                "first_frame": self.first_frame,
                "damaged": self.damaged,
            },
            "people": [asdict(p) for p in self.people],
            "tracks": [asdict(t) for t in self.tracks],
            "intervals": [asdict(i) for i in self.intervals],
            "shots": [asdict(s) for s in self.shots],
            "dropped": [asdict(d) for d in self.dropped],
            "warnings": self.warnings,
            "settings": self.settings,
            "performance": self.performance,
        }

    def save(self, folder: Path) -> None:
        """Writes the folder's files; raises ``OSError`` when it cannot."""
        (folder / "people").mkdir(parents=True, exist_ok=True)
        for old in (folder / "people").glob("person_*.jpg"):
            old.unlink()
        for person, jpeg in self.thumbnails.items():
            with whole_file(folder / "people" / thumbnail_name(person)) as path:
                path.write_bytes(jpeg)
        with whole_file(folder / "faces.parquet") as path:
            pq.write_table(self.faces, path)
        n = len(self.frame_times)
        frames = pa.table(
            {
                "frame": pa.array(range(self.first_frame, self.first_frame + n), pa.int32()),
                "time_s": pa.array(self.frame_times, pa.float64()),
            }
        )
        with whole_file(folder / "frames.parquet") as path:
            pq.write_table(frames, path)
        with whole_file(folder / "embeddings.npz") as path, path.open("wb") as file:
            np.savez(file, allow_pickle=False, **{str(t): e for t, e in self.embeddings.items()})
        with whole_file(folder / METRICS_FILE) as path:
            path.write_text(as_lines(self.metrics))
        with whole_file(folder / "timeline.json") as path:
            path.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Analysis":
        """Reads a folder that ``save`` wrote, with what people changed in ``timeline.json``.

        Names, intervals and whose a track is may be changed; of an interval the frames count.

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
            return cls(
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
                thumbnails={
                    p.id: (folder / p.thumbnail).read_bytes() for p in people if p.thumbnail
                },
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
