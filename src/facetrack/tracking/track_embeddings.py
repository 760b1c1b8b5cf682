"""The embeddings of all tracks that may be a person, and which tracks cannot be the same person.

Whether two tracks share a frame is only asked of a new track and those whose frame ranges overlap
its own. So adding a track to a long video costs little more than to a short one.
"""

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from facetrack.core.types import Float32
from facetrack.recognition.calibration import FIELDS, Evidence
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.tracking.rows import RowsOfTrack

INITIAL_ROOM = 64
"""Tracks for which memory is taken at first; it doubles when it is used up."""


class TrackEmbeddings:
    """Ended tracks with one embedding each, in the order in which they were put in."""

    def __init__(self, dim: int) -> None:
        """``dim``: numbers of an embedding."""
        self.tracks: list[RowsOfTrack] = []
        self._positions: dict[int, int] = {}
        """By the track's id."""
        self._vectors: Float32 = np.empty((INITIAL_ROOM, dim), np.float32)
        self._ranges: NDArray[np.int64] = np.empty((INITIAL_ROOM, 2), np.int64)
        """First and last frame of each track."""
        self._evidence: NDArray[np.float64] = np.empty((len(FIELDS), INITIAL_ROOM), np.float64)
        """One row for each field of ``Evidence``."""
        self._sharing: list[list[int]] = []
        """For each track the positions of those that share a frame with it."""

    @property
    def embeddings(self) -> Float32:
        """``(n, dim)`` unit vectors."""
        return self._vectors[: len(self.tracks)]

    @property
    def evidence(self) -> Evidence:
        """What is behind each embedding; each field is ``(n,)``."""
        return Evidence(*self._evidence[:, : len(self.tracks)])

    def vector(self, track: RowsOfTrack) -> Float32:
        """``(dim,)`` unit vector of one track."""
        return np.asarray(self._vectors[self._positions[track.id]])

    def by_id(self) -> dict[int, Float32]:
        """``(dim,)`` unit vector of each track, in ascending order of the ids."""
        positions = {track.id: i for i, track in enumerate(self.tracks)}
        return {t: self._vectors[positions[t]] for t in sorted(positions)}

    def evidence_by_id(self) -> dict[int, Evidence]:
        """What is behind the embedding of each track."""
        evidence = self.evidence
        return {t.id: evidence.pick(np.array([i])) for i, t in enumerate(self.tracks)}

    def put(self, track: RowsOfTrack, embedding: TrackEmbedding) -> None:
        """Adds a track, or replaces its embedding."""
        if track.id not in self._positions:
            self._add(track)
        position = self._positions[track.id]
        self._vectors[position] = embedding.vector
        self._evidence[:, position] = [getattr(embedding.evidence, f)[0] for f in FIELDS]

    def cannot_link(self) -> csr_array:
        """``(n, n)`` bool: True where two tracks share a frame, so that they are two people."""
        n = len(self.tracks)
        ends = np.cumsum([0, *map(len, self._sharing)])
        positions = np.fromiter(chain.from_iterable(self._sharing), np.int64, int(ends[-1]))
        return csr_array((np.ones(len(positions), bool), positions, ends), shape=(n, n))

    def candidates(self, track: RowsOfTrack) -> tuple[int, NDArray[np.intp]]:
        """The track's position, and the positions of all that may be the same person."""
        position = self._positions[track.id]
        may = np.ones(len(self.tracks), dtype=bool)
        may[[position, *self._sharing[position]]] = False
        return position, np.flatnonzero(may)

    def _add(self, track: RowsOfTrack) -> None:
        n = len(self.tracks)
        if n == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._ranges = np.concatenate([self._ranges, np.empty_like(self._ranges)])
            room = np.empty_like(self._evidence)
            self._evidence = np.concatenate([self._evidence, room], axis=1)
        first, last = track.first_frame, track.last_frame
        ranges = self._ranges[:n]
        overlapping = np.flatnonzero((ranges[:, 0] <= last) & (ranges[:, 1] >= first))
        sharing = [i for i in overlapping.tolist() if share_a_frame(track, self.tracks[i])]
        self._sharing.append(sharing)
        for i in sharing:
            self._sharing[i].append(n)
        self._ranges[n] = first, last
        self._positions[track.id] = n
        self.tracks.append(track)


def share_a_frame(a: RowsOfTrack, b: RowsOfTrack) -> bool:
    """Whether both were detected in one frame; rows that bridge a gap do not count."""
    first = max(a.first_frame, b.first_frame)
    end = min(a.last_frame, b.last_frame) + 1
    one, other = (t.rows["bridged"][first - t.first_frame : end - t.first_frame] for t in (a, b))
    return not (one | other).all()
