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
from facetrack.timeline.faces import TrackFaces, tracks_of
from facetrack.timeline.folder import SCHEMA, read_folder, write_folder
from facetrack.timeline.frame_sizes import Sizes, sizes_of
from facetrack.timeline.history import History
from facetrack.timeline.parts import (
    Dropped,
    Interval,
    Person,
    RecognizerInfo,
    Shot,
    Split,
    Track,
    Uncertain,
    find_person,
)
from facetrack.timeline.tables import TableName, as_detections, as_pandas, table_of

LARGEST_CROP = 4096
"""Maximum side of a face crop in pixels."""


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """Who is on screen when, in one video.

    Two analyses are equal when all fields are; arrays and tables are compared by value.
    """

    info: VideoInfo
    people: list[Person]
    """By number."""
    tracks: list[Track]
    """By number, which is the order in which they begin."""
    intervals: list[Interval]
    """By first frame, then person."""
    shots: list[Shot]
    """In order; they cover all analysed frames."""
    dropped: list[Dropped]
    """By track."""
    faces: pa.Table
    """Columns of ``FACE_COLUMNS``, ordered by frame, then track."""
    frame_times: NDArray[np.float64]
    """Presentation time in seconds of each analysed frame."""
    first_frame: int
    """Number of the first analysed frame in the source."""
    embeddings: dict[int, Float32]
    """Track number -> unit vector ``(recognizer.dim,)``."""
    recognizer: RecognizerInfo = field(default_factory=lambda: RecognizerInfo("sface", 128, SFACE))
    """The network that computed the embeddings."""
    splits: list[Split] = field(default_factory=list)
    """Tracks that showed two people and were divided."""
    uncertain: list[Uncertain] = field(default_factory=list)
    """Doubts that the user should check, as ``identity.uncertain`` found them in the run or after
    the last edit."""
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    """Person number -> JPEG bytes."""
    warnings: list[str] = field(default_factory=list)
    damaged: bool = False
    """Whether a part of the video could not be read."""
    metrics: pa.Table = field(default_factory=lambda: as_table([]))
    """Samples of the run by time; those of ``metrics.COLUMNS`` that were measured."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the run, as ``Settings.as_dict`` gives them."""
    performance: dict[str, Any] = field(default_factory=dict)
    """Speed, stages and load of the run, as in ``timeline.json``."""
    next_person: int = 0
    """The next new person gets at least this number, so that no number is used twice."""
    frame_sizes: Sizes | None = None
    """Width and height of each analysed frame in pixels; None: all have the size of ``info``."""
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

    def person(self, person: int | str) -> Person:
        """Finds a person of this video.

        Args:
            person: number or name; upper and lower case are the same.

        Raises:
            TargetError: when nobody, or more than one person, has the number or name.
        """
        return find_person(self.people, person)

    def on_screen(self, time_s: float) -> list[Person]:
        """The people on screen at a presentation time in seconds, by number."""
        there = {i.person for i in self.intervals if i.start_s <= time_s < i.end_s}
        return [p for p in self.people if p.id in there]

    def intervals_of(self, person: int | str) -> list[Interval]:
        """The intervals in which a person is on screen, by time.

        Args:
            person: number or name.

        Raises:
            TargetError: when nobody, or more than one person, has the number or name.
        """
        number = self.person(person).id
        mine = [i for i in self.intervals if i.person == number]
        return sorted(mine, key=lambda i: i.start_frame)

    def sizes_at(self, frames: NDArray[np.integer[Any]]) -> Sizes:
        """``(k, 2)`` int32 width and height in pixels of frames with these numbers.

        Args:
            frames: ``(k,)`` numbers of analysed frames in the source.
        """
        usual = (self.info.width, self.info.height)
        return sizes_of(self.frame_sizes, usual, frames.astype(np.intp) - self.first_frame)

    def size_at(self, frame: int) -> tuple[int, int]:
        """Width and height in pixels of an analysed frame with this number."""
        ((width, height),) = self.sizes_at(np.array([frame])).tolist()
        return width, height

    def table(self, name: TableName) -> pa.Table:
        """A part of the analysis as an Arrow table.

        Numbers of people, tracks and frames are int32 in all tables, times are float64 seconds.

        Args:
            name: ``people``, ``tracks``, ``intervals``, ``shots`` or ``dropped``: one column for
                each field of ``Person`` and so on; ``faces`` and ``metrics``: the attributes of
                that name; ``frames``: number, presentation time, width and height of each frame.

        Raises:
            UsageError: when there is no such table.
        """
        return table_of(self, name)

    def to_pandas(self, name: TableName) -> Any:
        """The same table as a ``pandas.DataFrame``, if pandas is installed.

        Raises:
            UsageError: when there is no such table, or pandas is not installed.
        """
        return as_pandas(self.table(name))

    def detections(self, frame: int) -> Any:
        """The faces of one frame as ``supervision.Detections``, if that library is installed.

        ``class_id`` is the person's number (0: not known), ``tracker_id`` the track's. ``data``
        has ``class_name`` (the person's name, or an empty text), ``landmarks`` ``(n, 5, 2)`` in
        pixels, and ``source``. Boxes are x1 y1 x2 y2 in pixels of the upright frame.

        Args:
            frame: number of the frame in the source, from 0.

        Raises:
            UsageError: when the frame was not analysed, or supervision is not installed.
        """
        first, end = self.first_frame, self.first_frame + len(self.frame_times)
        require(first <= frame < end, "frame", frame, f"from {first} to {end - 1}")
        rows = np.searchsorted(self.faces["frame"].to_numpy(), [frame, frame + 1])
        return as_detections(self.faces.slice(rows[0], rows[1] - rows[0]), self.people)

    def iter_tracks(self, person: int | str | None = None) -> Iterator[TrackFaces]:
        """Yields each track with its frames, boxes, landmarks and embedding, by track number.

        Args:
            person: number or name; only this person's tracks. None: all tracks, also those that
                belong to no person.

        Raises:
            TargetError: when nobody, or more than one person, has the number or name.
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
        """Square RGB crops of faces, read from the video again in one pass.

        >>> with analysis.face_crops(224, person="Person 1", every=30) as crops:
        ...     for crop in crops:
        ...         print(crop.frame, crop.image.shape, crop.image.dtype)
        0 (224, 224, 3) uint8
        30 (224, 224, 3) uint8
        60 (224, 224, 3) uint8

        Args:
            size: side of a crop in pixels, 1 to 4096.
            person: number or name; only this person's faces. None: all faces.
            track: number of a track; only its faces. None: all tracks.
            every: takes the first face of each track, then every ``every``-th.
            margin: how much wider than the box a crop is, as a part of the box's longer side.
            align: turns and scales faces so that eyes and mouth lie where ArcFace expects them;
                ``margin`` is not used then.

        Raises:
            InputError: when the video is no longer where it was.
            TargetError: when nobody, or more than one person, has the number or name.
            UsageError: when a number is out of its range, or there is no such track.
        """
        require(1 <= size <= LARGEST_CROP, "size", size, f"from 1 to {LARGEST_CROP}")
        require(every >= 1, "every", every, "1 or more")
        require(margin > -1, "margin", margin, "more than -1")
        exists = track is None or track in {t.id for t in self.tracks}
        require(exists, "track", track, "the number of a track")
        wanted = None if person is None else self.person(person).id
        faces = chosen_faces(self.faces, wanted, track, every)
        return FaceCrops(self.info, faces, size, margin, align)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``timeline.json``."""
        info = self.info
        return {
            "schema": SCHEMA,
            "source": {
                "path": str(info.path),
                "width": info.width,
                "height": info.height,
                "rotation": info.rotation,
                "mirrored": info.mirrored,
                "pixel_aspect": f"{info.pixel_aspect.numerator}/{info.pixel_aspect.denominator}",
                "hdr": info.hdr,
                "deinterlaced": info.deinterlaced,
                "frame_count": info.frame_count,
                "fps": f"{info.fps.numerator}/{info.fps.denominator}",
                "duration_s": info.duration_s,
                "has_audio": info.has_audio,
                "video_codec": info.video_codec,
                **({"fingerprint": info.fingerprint} if info.fingerprint else {}),
                "video_stream": info.video_stream,
                "audio_stream": info.audio_stream,
                "clock": {**asdict(info.clock), "joins": [asdict(j) for j in info.clock.joins]},
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
        """Writes the files of the folder, all in one switch.

        The report and the undo history of an analysis that was there before are removed with it.

        Raises:
            OSError: when a file cannot be written.
            OutputError: when another process is at work in the folder.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        History(place).renew("save", lambda new: write_folder(self, new), keep=False)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        video: str | os.PathLike[str] | None = None,
    ) -> "Analysis":
        """Reads a folder that ``save`` wrote, with the user's changes in ``timeline.json``.

        Names, intervals, and the person of a track may be changed. Of an interval the frame
        numbers count, not the times.

        Args:
            folder: of the analysis.
            video: where its video is now. None: it is looked for at its old place, in the folder,
                and in those above it, and known by its content.

        Raises:
            InputError: when the folder holds no complete analysis of this schema, or ``video`` is
                another video.
        """
        place, at = Path(folder), None if video is None else Path(video)
        return cls(**History(place).steady(lambda: read_folder(place, at)), folder=place)


def _same(one: object, other: object) -> bool:
    """Whether two field values are equal; arrays are compared by value."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return bool(one == other)
