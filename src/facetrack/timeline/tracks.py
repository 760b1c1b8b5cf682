"""A track with all that is known of it, for those who work on tracks one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.timeline.faces import boxes_of, landmarks_of
from facetrack.timeline.parts import Person

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis


@dataclass(frozen=True, slots=True)
class TrackFaces:
    """One track: the same face from frame to frame, ``n`` frames of it."""

    id: int
    person: Person | None
    """None: nobody known, for a reason that is in ``Analysis.dropped``."""
    frames: NDArray[np.int32]
    """``(n,)`` ascending, counted from 0 in the source."""
    times_s: NDArray[np.float64]
    """``(n,)`` presentation times in seconds."""
    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright picture."""
    landmarks: Float32
    """``(n, 5, 2)`` x y of left eye, right eye, nose, left and right mouth corner (image sides)."""
    scores: Float32
    """``(n,)`` O-Net's probability, 0 to 1."""
    sources: NDArray[np.str_]
    """``(n,)`` ``detected``, ``refined`` or ``interpolated``."""
    embedding: Float32 | None
    """``(512,)`` of length one; None of a track that was dropped before it was embedded."""

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        who = f"person {self.person.id}" if self.person else "nobody"
        return f"TrackFaces({self.id}, {who}, {len(self)} frames)"


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
