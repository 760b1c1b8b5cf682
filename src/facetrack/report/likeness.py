"""How alike people and tracks are, as the threshold judged them when tracks were joined.

The similarity of two groups of tracks is the mean cosine over all pairs of their embeddings: the
product of the groups' mean embeddings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from facetrack.analysis import Analysis

NEAR = 0.10
"""From the threshold: a join, or one that was not made, within it is worth a look."""
MOST = 12
"""Doubts of a kind that are shown, the greatest first."""


@dataclass(frozen=True)
class DoubtfulTrack:
    """A track that may not be of its person."""

    track: int
    person: int
    beside: int
    """The track of the same person that it is least like."""
    similarity: float
    """With all other tracks of the person."""


@dataclass(frozen=True)
class DoubtfulPair:
    """Two people who may be one."""

    one: int
    other: int
    similarity: float


class Likeness:
    """Of the people of one analysis."""

    def __init__(self, analysis: Analysis) -> None:
        self.threshold = float(analysis.settings["identity"]["threshold"] or 0.4)
        self._analysis = analysis
        self._embeddings = analysis.embeddings
        self._tracks: dict[int, list[int]] = {}
        for t in analysis.tracks:
            if t.person and t.id in analysis.embeddings:
                self._tracks.setdefault(t.person, []).append(t.id)
        self._people = sorted(self._tracks)
        means = [np.mean([self._embeddings[t] for t in self._tracks[p]], 0) for p in self._people]
        vectors = np.array(means, np.float64).reshape(len(means), -1)
        self._pairs = vectors @ vectors.T
        np.fill_diagonal(self._pairs, -np.inf)

    def most_similar(self, person: int) -> tuple[int, float] | None:
        """Another person, and the similarity; None: there is nobody to compare."""
        if person not in self._tracks or len(self._people) < 2:
            return None
        with_others = self._pairs[self._people.index(person)]
        nearest = int(with_others.argmax())
        return self._people[nearest], float(with_others[nearest])

    def doubtful_tracks(self) -> list[DoubtfulTrack]:
        """Those least like the rest of their person, up to ``NEAR`` over the threshold.

        Of two tracks that are all of a person it is the later one.
        """
        found = []
        for person, tracks in self._tracks.items():
            if len(tracks) < 2:
                continue
            vectors = np.array([self._embeddings[t] for t in tracks], np.float64)
            alike = vectors @ vectors.T
            with_rest = (alike.sum(1) - alike.diagonal()) / (len(tracks) - 1)
            beside = alike.argmin(1)
            found += [
                DoubtfulTrack(tracks[i], person, tracks[beside[i]], float(with_rest[i]))
                for i in range(1 if len(tracks) == 2 else 0, len(tracks))
                if with_rest[i] < self.threshold + NEAR
            ]
        return sorted(found, key=lambda doubt: doubt.similarity)[:MOST]

    def doubtful_pairs(self) -> list[DoubtfulPair]:
        """The most alike from ``NEAR`` below the threshold on, but for those seen together."""
        return list(islice(self._alike_apart(), MOST))

    def _alike_apart(self) -> Iterator[DoubtfulPair]:
        i, j = np.nonzero(np.triu(self._pairs >= self.threshold - NEAR, 1))
        alike = self._pairs[i, j]
        faces = self._analysis.faces
        seen = pc.not_equal(faces["source"], "interpolated").to_numpy()
        frame, person_of = faces["frame"].to_numpy()[seen], faces["person"].to_numpy()[seen]
        frames: dict[int, NDArray[np.int32]] = {}
        for at in np.argsort(-alike, kind="stable"):
            one, other = self._people[i[at]], self._people[j[at]]
            for person in (one, other):
                if person not in frames:
                    frames[person] = frame[person_of == person]
            if not len(np.intersect1d(frames[one], frames[other])):
                yield DoubtfulPair(one, other, float(alike[at]))
