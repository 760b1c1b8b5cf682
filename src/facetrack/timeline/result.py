"""The result of an analysis."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.core.settings import require
from facetrack.core.types import Float32, VideoInfo
from facetrack.recognition.calibration import SFACE
from facetrack.runtime.metrics import as_table
from facetrack.timeline.crops import FaceCrops, chosen_faces
from facetrack.timeline.folder import SCHEMA, read_folder, write_folder
from facetrack.timeline.history import DERIVED, History
from facetrack.timeline.lookup import find_person
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
from facetrack.timeline.tables import TableName, as_pandas, table_of
from facetrack.timeline.tracks import TrackFaces, tracks_of

LARGEST_CROP = 4096
"""Side in pixels of a face's crop, at most."""


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """Who is on screen when, in one video.

    Two are equal when all their fields are, arrays and tables value by value.
    """

    info: VideoInfo
    people: list[Person]
    """By number."""
    tracks: list[TrackSummary]
    """By number: as they began."""
    intervals: list[Interval]
    """By first frame, then person."""
    shots: list[Shot]
    """In order; together all frames."""
    dropped: list[Dropped]
    """By track."""
    faces: pa.Table
    """Columns of ``FACE_COLUMNS``, ordered by frame, then track."""
    frame_times: NDArray[np.float64]
    """Presentation time in seconds of each analysed frame."""
    first_frame: int
    """Index of the first analysed frame in the source."""
    embeddings: dict[int, Float32]
    """Track id to a vector of length one, of as many floats as ``recognizer`` says."""
    recognizer: RecognizerInfo = field(default_factory=lambda: RecognizerInfo("sface", 128, SFACE))
    """What the embeddings are of."""
    splits: list[Split] = field(default_factory=list)
    """Tracks that showed two people."""
    uncertain: list[Uncertain] = field(default_factory=list)
    """What a person should look at, as ``people.uncertain`` found it in the run or after the last
    edit."""
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    """Person id to a JPEG."""
    warnings: list[str] = field(default_factory=list)
    damaged: bool = False
    """Whether a part of the source could not be read."""
    metrics: pa.Table = field(default_factory=lambda: as_table([]))
    """Columns of ``metrics.COLUMNS`` that are known: samples of the run, by time."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the run that made it, as ``Settings.as_dict`` has them."""
    performance: dict[str, Any] = field(default_factory=dict)
    """Speed, stages and load of that run, as ``timeline.json`` has them."""
    next_person: int = 0
    """At least that is the number that the next new person gets: none is given twice."""
    folder: Path | None = field(default=None, compare=False)
    """The folder that it was loaded from; None: it was not loaded."""

    def __repr__(self) -> str:
        return (
            f"Analysis({self.info.path.name}: {len(self.frame_times)} frames, "
            f"{len(self.people)} people, {len(self.tracks)} tracks)"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Analysis):
            return NotImplemented
        compared = [f.name for f in fields(self) if f.compare]
        return all(_same(getattr(self, name), getattr(other, name)) for name in compared)

    def person(self, who: int | str) -> Person:
        """Somebody of this video.

        Args:
            who: number, or name, whose capitals do not matter.

        Raises:
            TargetError: when it is nobody, or the name of several.
        """
        return find_person(self.people, who)

    def on_screen(self, time_s: float) -> list[Person]:
        """Who is on screen at that presentation time in seconds, by number."""
        there = {i.person for i in self.intervals if i.start_s <= time_s < i.end_s}
        return [p for p in self.people if p.id in there]

    def intervals_of(self, who: int | str) -> list[Interval]:
        """When somebody is on screen, by time.

        Args:
            who: number or name.

        Raises:
            TargetError: when it is nobody, or the name of several.
        """
        person = self.person(who).id
        mine = [i for i in self.intervals if i.person == person]
        return sorted(mine, key=lambda i: i.start_frame)

    def table(self, name: TableName) -> pa.Table:
        """An Arrow table; ids, frames and persons are int32 in all of them, times float64 seconds.

        Args:
            name: ``people``, ``tracks``, ``intervals``, ``shots`` or ``dropped``: a column for each
                field of ``Person`` and so on; ``faces`` and ``metrics``: the attributes of that
                name; ``frames``: number and presentation time of each frame.

        Raises:
            UsageError: when there is no such table.
        """
        return table_of(self, name)

    def to_pandas(self, name: TableName) -> Any:
        """The same table as a ``pandas.DataFrame``, of pandas that is installed beside facetrack.

        Raises:
            UsageError: when there is no such table, or no pandas.
        """
        return as_pandas(self.table(name))

    def iter_tracks(self, person: int | str | None = None) -> Iterator[TrackFaces]:
        """Each track with its frames, boxes, landmarks and embedding, by track number.

        Args:
            person: number or name whose tracks alone are wanted; None: all, nobody's too.

        Raises:
            TargetError: when it is nobody, or the name of several.
        """
        return tracks_of(self, None if person is None else self.person(person))

    def face_crops(
        self,
        size: int = 160,
        *,
        person: int | str | None = None,
        track: int | None = None,
        every: int = 1,
        margin: float = 0.3,
        align: bool = False,
    ) -> FaceCrops:
        """Square RGB pictures of faces, cut out of the video again in one pass.

        >>> with analysis.face_crops(224, person="Ada", every=5) as crops:  # doctest: +SKIP
        ...     for crop in crops:
        ...         print(crop.frame, crop.image.shape)  # (224, 224, 3) uint8

        Args:
            size: side of the pictures in pixels.
            person: number or name whose faces alone are wanted; None: all, nobody's too.
            track: number of the track whose faces alone are wanted.
            every: of each track's faces the first, and then every so many-th.
            margin: how much wider than the face's box, as a part of its longer side.
            align: turn and scale faces so that eyes and mouth are where ArcFace has them;
                ``margin`` is of no meaning then.

        Raises:
            InputError: when the video is no longer where it was.
            TargetError: when it is nobody, or the name of several.
            UsageError: when a number makes no sense, or there is no such track.
        """
        require(1 <= size <= LARGEST_CROP, "size", size, f"from 1 to {LARGEST_CROP}")
        require(every >= 1, "every", every, "1 or more")
        require(margin > -1, "margin", margin, "more than -1")
        known = track is None or track in {t.id for t in self.tracks}
        require(known, "track", track, "the number of a track")
        wanted = None if person is None else self.person(person).id
        faces = chosen_faces(self.faces, wanted, track, every)
        return FaceCrops(self.info.path, faces, size, margin, align)

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
            "splits": [asdict(s) for s in self.splits],
            "uncertain": [asdict(u) for u in self.uncertain],
            "recognizer": {
                "name": self.recognizer.name,
                "dim": self.recognizer.dim,
                "calibration": self.recognizer.calibration.to_dict(),
            },
            "warnings": self.warnings,
            "settings": self.settings,
            "performance": self.performance,
            **({"next_person": self.next_person} if self.next_person else {}),
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the folder's files, each whole or not at all.

        Edits of what was there before cannot be undone any more.

        Raises:
            OSError: when it cannot.
        """
        History(Path(folder)).erase()
        for derived in (path for name in DERIVED for path in Path(folder).glob(name)):
            derived.unlink(missing_ok=True)  # of what was there before
        write_folder(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Analysis":
        """Reads a folder that ``save`` wrote, with what people changed in ``timeline.json``.

        Names, intervals and whose a track is may be changed; of an interval the frames count.

        Raises:
            InputError: when the folder holds no whole analysis of this schema.
        """
        place = Path(folder)
        return cls(**History(place).steady(lambda: read_folder(place)), folder=place)


def _same(one: object, other: object) -> bool:
    """Values of two fields: equal, arrays value by value."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return bool(one == other)
