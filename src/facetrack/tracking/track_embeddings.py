"""The tracks that may be somebody: their embeddings in one array, and who was seen beside whom.

A track is compared once, with those whose time overlaps its own, so that a long video costs no
more a track than a short one, but for one product of all embeddings with its own.
"""

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from facetrack.core.types import Float32
from facetrack.recognition.calibration import FIELDS, Evidence
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.tracking.tracks import Track

FEW = 64
"""Tracks for which there is room at first."""


class TrackEmbeddings:
    """Tracks that ended, with their embeddings; room doubles when it is used up."""

    def __init__(self, dim: int) -> None:
        """``dim``: numbers of an embedding."""
        self.tracks: list[Track] = []
        self._place: dict[int, int] = {}
        self._vectors: Float32 = np.empty((FEW, dim), np.float32)
        self._spans: NDArray[np.int64] = np.empty((FEW, 2), np.int64)
        """First and last frames."""
        self._evidence: NDArray[np.float64] = np.empty((len(FIELDS), FEW), np.float64)
        """A row a field."""
        self._beside: list[list[int]] = []
        """Places of those that were detected in one and the same frame."""

    @property
    def embeddings(self) -> Float32:
        """``(n, dim)`` float32 of length one."""
        return self._vectors[: len(self.tracks)]

    def vector(self, track: Track) -> Float32:
        """``(dim,)`` of one track."""
        return np.asarray(self._vectors[self._place[track.id]])

    @property
    def evidence(self) -> Evidence:
        """Of all tracks, an array a field."""
        return Evidence(*self._evidence[:, : len(self.tracks)])

    def by_id(self) -> dict[int, Float32]:
        """``(dim,)`` embeddings, in the order of the tracks' ids."""
        places = {track.id: i for i, track in enumerate(self.tracks)}
        return {t: self._vectors[places[t]] for t in sorted(places)}

    def evidence_by_id(self) -> dict[int, Evidence]:
        """What is behind each embedding."""
        evidence = self.evidence
        return {t.id: evidence.pick(np.array([i])) for i, t in enumerate(self.tracks)}

    def put(self, track: Track, embedding: TrackEmbedding) -> None:
        """A second time: instead of the embedding before."""
        if track.id not in self._place:
            self._add(track)
        place = self._place[track.id]
        self._vectors[place] = embedding.vector
        self._evidence[:, place] = [getattr(embedding.evidence, f)[0] for f in FIELDS]

    def together(self) -> csr_array:
        """``(n, n)``: whether two tracks were detected in one and the same frame."""
        n = len(self.tracks)
        ends = np.cumsum([0, *map(len, self._beside)])
        places = np.fromiter(chain.from_iterable(self._beside), np.int64, int(ends[-1]))
        return csr_array((np.ones(len(places), bool), places, ends), shape=(n, n))

    def rivals(self, track: Track) -> tuple[int, NDArray[np.intp]]:
        """The track's place, and the places of those that may be of the same person."""
        place = self._place[track.id]
        may = np.ones(len(self.tracks), dtype=bool)
        may[[place, *self._beside[place]]] = False
        return place, np.flatnonzero(may)

    def _add(self, track: Track) -> None:
        n = len(self.tracks)
        if n == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._spans = np.concatenate([self._spans, np.empty_like(self._spans)])
            room = np.empty_like(self._evidence)
            self._evidence = np.concatenate([self._evidence, room], axis=1)
        first, last = track.first_frame, track.last_frame
        spans = self._spans[:n]
        near = np.flatnonzero((spans[:, 0] <= last) & (spans[:, 1] >= first))
        beside = [i for i in near.tolist() if seen_together(track, self.tracks[i])]
        self._beside.append(beside)
        for i in beside:
            self._beside[i].append(n)
        self._spans[n] = first, last
        self._place[track.id] = n
        self.tracks.append(track)


def seen_together(a: Track, b: Track) -> bool:
    """Whether the detector gave both in one frame; where a gap was bridged it saw nothing."""
    first = max(a.first_frame, b.first_frame)
    end = min(a.last_frame, b.last_frame) + 1
    one, other = (t.rows["bridged"][first - t.first_frame : end - t.first_frame] for t in (a, b))
    return not (one | other).all()
