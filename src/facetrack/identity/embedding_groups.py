"""Groups of embeddings, each group of one person, and how similar groups are.

The log-odds of two groups are the mean over all pairs of their embeddings, weighted by the
reliability of both: the linkage of ``identity.clustering``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from facetrack.core.types import Float32
from facetrack.identity.clustering import MIN_WEIGHT, ROWS, TrackSet
from facetrack.identity.similarity import MAX_LOG_ODDS, PairScorer
from facetrack.recognition.calibration import Evidence

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class EmbeddingSet:
    """``n`` embeddings of one recogniser, with their evidence."""

    vectors: Float32
    """``(n, dim)`` of length one."""
    evidence: Evidence
    """How good the faces behind each are."""

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def mean(self) -> Float32:
        """``(dim,)`` mean of the embeddings, not brought to length one; zeros without any.

        A person's mean embedding is that of their tracks. The dot product of two such means is the
        mean cosine over all pairs.
        """
        return np.asarray(self.vectors.sum(axis=0) / max(len(self.vectors), 1), np.float32)

    def pick(self, which: Indices) -> "EmbeddingSet":
        """The embeddings at these positions."""
        return EmbeddingSet(self.vectors[which], self.evidence.pick(which))

    def log_odds(self, some: Indices, others: Indices, scorer: PairScorer) -> Float64:
        """``(n, m)`` log-odds of the embeddings at ``(n,)`` and at ``(m,)`` positions."""
        one, other = self.pick(some), self.pick(others)
        return scorer.log_odds(one.vectors, one.evidence, other.vectors, other.evidence)

    @classmethod
    def joined(cls, parts: Sequence["EmbeddingSet"]) -> "EmbeddingSet":
        """All embeddings, one part after the other; ``parts``: one or more, of one ``dim``."""
        return cls(
            np.concatenate([part.vectors for part in parts]),
            Evidence.joined([part.evidence for part in parts]),
        )


def track_set(embeddings: EmbeddingSet, cannot_link: csr_array, scorer: PairScorer) -> TrackSet:
    """``n`` tracks, ready to be clustered.

    Args:
        embeddings: one for each track.
        cannot_link: ``(n, n)`` bool; True where two tracks share a frame.
        scorer: for their recogniser.
    """
    return TrackSet(
        embeddings.vectors,
        scorer.reliability(embeddings.evidence),
        cannot_link,
        lambda some, others: embeddings.log_odds(some, others, scorer),
        scorer.min_log_odds,
    )


class EmbeddingGroups:
    """Embeddings in groups, with the weight of each embedding in its group."""

    def __init__(
        self, embeddings: EmbeddingSet, groups: Sequence[Indices], scorer: PairScorer
    ) -> None:
        """``groups``: positions of each group's embeddings; a group may be empty."""
        self.embeddings = embeddings
        self.scorer = scorer
        trust = scorer.reliability(embeddings.evidence)
        self.reliability = np.array([trust[g].max(initial=0.0) for g in groups], np.float64)
        """``(groups,)`` reliability of the best embedding of each, 0 to 1."""
        weights = np.maximum(trust, MIN_WEIGHT)
        places = np.concatenate([*groups, np.empty(0, np.intp)]).astype(np.intp)
        values = np.concatenate([*(weights[g] / weights[g].sum() for g in groups), np.empty(0)])
        ends = np.cumsum([0, *map(len, groups)])
        self._weights = csr_array((values, places, ends), (len(groups), len(embeddings)))
        """``(groups, n)`` weight of each embedding in its group; the sum of a group is 1."""

    @classmethod
    def of(cls, groups: Sequence[EmbeddingSet], scorer: PairScorer) -> "EmbeddingGroups":
        """Each of these sets as a group; ``groups``: one or more."""
        ends = np.cumsum([len(group) for group in groups])
        places = np.split(np.arange(ends[-1]), ends[:-1])
        return cls(EmbeddingSet.joined(groups), places, scorer)

    def __len__(self) -> int:
        return int(self._weights.shape[0])

    def log_odds(
        self,
        some: Indices | None = None,
        other: "EmbeddingGroups | None" = None,
        others: Indices | None = None,
    ) -> Float64:
        """``(n, m)`` log-odds of pairs of groups; ``-MAX_LOG_ODDS`` where one is empty.

        Args:
            some: positions of ``n`` of these groups; None: all.
            other: the groups that they are compared with; None: these themselves.
            others: positions of ``m`` groups of ``other``; None: all.
        """
        other = other or self
        of_one, mine = self._used(some)
        of_other, theirs = other._used(others)
        found = np.zeros((of_one.shape[0], of_other.shape[0]))
        for first in range(0, len(mine), ROWS):
            rows = slice(first, first + ROWS)
            odds = self.scorer.log_odds(
                mine.vectors[rows], mine.evidence.pick(np.arange(len(mine))[rows]),
                theirs.vectors, theirs.evidence,
            )  # fmt: skip
            found += of_one[:, rows] @ (of_other @ odds.T).T
        found[np.diff(of_one.indptr) == 0] = -MAX_LOG_ODDS
        found[:, np.diff(of_other.indptr) == 0] = -MAX_LOG_ODDS
        return found

    def _used(self, which: Indices | None) -> tuple[csr_array, EmbeddingSet]:
        """Weights of these groups, and the embeddings that are in any of them."""
        weights = self._weights if which is None else self._weights[which]
        used = np.unique(weights.indices)
        return weights[:, used], self.embeddings.pick(used)


def places_of(values: NDArray[np.int64], wanted: Sequence[int]) -> list[Indices]:
    """For each wanted number, the positions at which ``values`` has it."""
    order = np.argsort(values, kind="stable")
    first = np.searchsorted(values[order], wanted, "left")
    end = np.searchsorted(values[order], wanted, "right")
    return [order[a:b] for a, b in zip(first, end, strict=True)]
