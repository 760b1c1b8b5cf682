"""Groups of embeddings, each group of one person, and how similar groups are.

The log-odds of two groups are the mean over all pairs of their embeddings, a pair weighing as much
as its faces are worth: what ``identity.clustering`` joins tracks by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from facetrack.core.types import Float32
from facetrack.identity.clustering import LEAST_WEIGHT, ROWS, TrackSet
from facetrack.identity.similarity import MOST, Judge
from facetrack.recognition.calibration import Evidence

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class EmbeddingSet:
    """Embeddings of one recogniser, and what is behind each."""

    vectors: Float32
    """``(n, dim)`` of length one."""
    evidence: Evidence
    """Of ``n``."""

    def __len__(self) -> int:
        return len(self.vectors)

    def pick(self, which: Indices) -> "EmbeddingSet":
        """Those at these places."""
        return EmbeddingSet(self.vectors[which], self.evidence.pick(which))

    def log_odds(self, some: Indices, others: Indices, judge: Judge) -> Float64:
        """``(n, m)`` of the embeddings at ``(n,)`` and at ``(m,)`` places."""
        one, other = self.pick(some), self.pick(others)
        return judge.log_odds(one.vectors, one.evidence, other.vectors, other.evidence)

    @classmethod
    def joined(cls, parts: Sequence["EmbeddingSet"]) -> "EmbeddingSet":
        """All of them, one after the other; ``parts``: one or more, of the same ``dim``."""
        return cls(
            np.concatenate([part.vectors for part in parts]),
            Evidence.joined([part.evidence for part in parts]),
        )


def track_set(embeddings: EmbeddingSet, cannot_link: csr_array, judge: Judge) -> TrackSet:
    """Tracks with one embedding each, as a judge weighs them.

    Args:
        embeddings: of ``n`` tracks.
        cannot_link: ``(n, n)`` bool; True where two tracks share a frame.
        judge: of their recogniser.
    """
    return TrackSet(
        embeddings.vectors,
        judge.reliability(embeddings.evidence),
        cannot_link,
        lambda some, others: embeddings.log_odds(some, others, judge),
        judge.needed,
    )


class EmbeddingGroups:
    """Embeddings in groups, as a judge weighs them."""

    def __init__(self, embeddings: EmbeddingSet, groups: Sequence[Indices], judge: Judge) -> None:
        """``groups``: places of each group's embeddings; a group may be empty."""
        self.embeddings = embeddings
        self.judge = judge
        trust = judge.reliability(embeddings.evidence)
        self.reliability = np.array([trust[g].max(initial=0.0) for g in groups], np.float64)
        """``(groups,)`` of the best embedding of each."""
        weights = np.maximum(trust, LEAST_WEIGHT)
        places = np.concatenate([*groups, np.empty(0, np.intp)]).astype(np.intp)
        values = np.concatenate([*(weights[g] / weights[g].sum() for g in groups), np.empty(0)])
        ends = np.cumsum([0, *map(len, groups)])
        self._means = csr_array((values, places, ends), (len(groups), len(embeddings)))
        """What each embedding weighs in its group."""

    @classmethod
    def of(cls, groups: Sequence[EmbeddingSet], judge: Judge) -> "EmbeddingGroups":
        """Each of these sets, one or more, as a group."""
        ends = np.cumsum([len(group) for group in groups])
        places = np.split(np.arange(ends[-1]), ends[:-1])
        return cls(EmbeddingSet.joined(groups), places, judge)

    def __len__(self) -> int:
        return int(self._means.shape[0])

    def log_odds(
        self,
        some: Indices | None = None,
        other: "EmbeddingGroups | None" = None,
        others: Indices | None = None,
    ) -> Float64:
        """``(n, m)`` of pairs of groups; ``-MOST`` where one is empty.

        Args:
            some: groups of these; None: all.
            other: whose groups they are compared with; None: these here.
            others: groups of ``other``; None: all.
        """
        other = other or self
        of_one, mine = self._used(some)
        of_other, theirs = other._used(others)
        found = np.zeros((of_one.shape[0], of_other.shape[0]))
        for first in range(0, len(mine), ROWS):
            rows = slice(first, first + ROWS)
            odds = self.judge.log_odds(
                mine.vectors[rows], mine.evidence.pick(np.arange(len(mine))[rows]),
                theirs.vectors, theirs.evidence,
            )  # fmt: skip
            found += of_one[:, rows] @ (of_other @ odds.T).T
        found[np.diff(of_one.indptr) == 0] = -MOST
        found[:, np.diff(of_other.indptr) == 0] = -MOST
        return found

    def _used(self, which: Indices | None) -> tuple[csr_array, EmbeddingSet]:
        """Weights of these groups, and the embeddings that are in any of them."""
        means = self._means if which is None else self._means[which]
        used = np.unique(means.indices)
        return means[:, used], self.embeddings.pick(used)


def places_of(values: NDArray[np.int64], wanted: Sequence[int]) -> list[Indices]:
    """Where each of the wanted numbers stands in ``values``."""
    order = np.argsort(values, kind="stable")
    first = np.searchsorted(values[order], wanted, "left")
    end = np.searchsorted(values[order], wanted, "right")
    return [order[a:b] for a, b in zip(first, end, strict=True)]
