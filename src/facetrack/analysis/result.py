"""The result of an analysis."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.analysis.folder import SCHEMA, read_folder, write_folder
from facetrack.analysis.parts import Dropped, Interval, Person, Shot, TrackSummary
from facetrack.metrics import as_table
from facetrack.types import Float32, VideoInfo


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
        write_folder(self, folder)

    @classmethod
    def load(cls, folder: Path) -> "Analysis":
        """Reads a folder that ``save`` wrote, with what people changed in ``timeline.json``.

        Names, intervals and whose a track is may be changed; of an interval the frames count.

        Raises:
            InputError: when the folder holds no whole analysis of this schema.
        """
        return cls(**read_folder(folder))
