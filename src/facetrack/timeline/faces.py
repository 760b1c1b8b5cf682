"""The table of faces, its columns as arrays, and its rows by track."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.timeline.parts import Person

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis

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
"""One row for each face and frame; boxes and landmarks in pixels of the upright frame."""
CORNERS = ("x1", "y1", "x2", "y2")
"""Columns of the box."""


def boxes_of(faces: pa.Table) -> Float32:
    """The boxes of a table with ``FACE_COLUMNS``.

    Returns:
        ``(n, 4)`` float32 x1 y1 x2 y2 in pixels of the upright frame; may reach past its edges.
    """
    return np.stack([faces[corner].to_numpy() for corner in CORNERS], axis=1)


def landmarks_of(faces: pa.Table) -> Float32:
    """The landmarks of a table with ``FACE_COLUMNS``.

    Returns:
        ``(n, 5, 2)`` float32 x y in pixels of the upright frame: left eye, right eye, nose, left
        and right mouth corner (sides of the image).
    """
    points: Float32 = faces["landmarks"].combine_chunks().flatten().to_numpy()
    return points.reshape(-1, 5, 2)


@dataclass(frozen=True, slots=True)
class TrackFaces:
    """One track with its ``n`` faces, one in each frame."""

    id: int
    person: Person | None
    """None: the track belongs to no person; ``Analysis.dropped`` says why."""
    frames: NDArray[np.int32]
    """``(n,)`` ascending, counted from 0 in the source."""
    times_s: NDArray[np.float64]
    """``(n,)`` presentation times in seconds."""
    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright frame."""
    landmarks: Float32
    """``(n, 5, 2)`` x y of left eye, right eye, nose, left and right mouth corner (sides of the
    image)."""
    scores: Float32
    """``(n,)`` the detector's score, 0 to 1."""
    sources: NDArray[np.str_]
    """``(n,)`` ``detected``, ``refined`` or ``interpolated``."""
    embedding: Float32 | None
    """``(dim,)`` unit vector; None: the track was dropped before it was embedded."""

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        person = f"person {self.person.id}" if self.person else "no person"
        return f"TrackFaces({self.id}, {person}, {len(self)} frames)"


def tracks_of(analysis: "Analysis", person: Person | None) -> Iterator[TrackFaces]:
    """See ``Analysis.iter_tracks``."""
    people = {p.id: p for p in analysis.people}
    order = np.argsort(analysis.faces["track"].to_numpy(), kind="stable")
    by_track = analysis.faces.take(order)
    sorted_ids = by_track["track"].to_numpy()
    for track in analysis.tracks:
        if person is not None and track.person != person.id:
            continue
        first, end = np.searchsorted(sorted_ids, [track.id, track.id + 1])
        rows = by_track.slice(first, end - first)
        yield TrackFaces(
            track.id,
            people.get(track.person),
            rows["frame"].to_numpy(),
            rows["time_s"].to_numpy(),
            boxes_of(rows),
            landmarks_of(rows),
            rows["score"].to_numpy(),
            np.array(rows["source"].to_pylist(), str),
            analysis.embeddings.get(track.id),
        )
