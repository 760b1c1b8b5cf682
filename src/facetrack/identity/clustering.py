"""Clusters tracks into people: average linkage over calibrated log-odds, weak tracks last.

The similarity of two tracks is the log-odds that they are one person, by a ``PairScorer``. The
similarity of two groups is the mean over all pairs of their tracks, weighted by the reliability of
both. The two most similar groups are joined until no two are similar enough (UPGMA, Sokal and
Michener, 1958). Tracks that share a frame are never joined: they are a cannot-link pair.

Tracks of small or blurred faces are similar to everybody. So reliable tracks form people first.
Then each weak track joins the one person to whom it is clearly most similar. The remaining weak
tracks are clustered among themselves. In this way a weak track never joins two people.

The result does not depend on the order of the tracks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from facetrack.core.types import Float32

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

ROWS = 256
"""Number of tracks that are compared with all others at once."""
WEAK = 0.35
"""Reliability below which a track is weak: it joins others after the reliable ones."""
MIN_WEIGHT = 1e-3
"""Smallest weight of a track in a mean over pairs."""
CLEARLY = 2.2
"""Additional log-odds that a weak track needs to join a person (a probability of 0.9 where others
need 0.5), and the lead in log-odds that this person must have over the next one."""

PairLogOdds = Callable[[Indices, Indices], Float64]
"""From positions of ``n`` and of ``m`` tracks to ``(n, m)`` log-odds that two are one person."""


@dataclass(frozen=True)
class TrackSet:
    """``n`` tracks to be clustered."""

    embeddings: Float32
    """``(n, dim)`` of length one."""
    reliability: Float64
    """``(n,)`` 0 to 1: how far each embedding can be trusted."""
    cannot_link: csr_array
    """``(n, n)`` bool; True where two tracks share a frame."""
    log_odds: PairLogOdds
    """0: one person is as probable as two."""
    min_log_odds: float = 0.0
    """Log-odds from which two are one person."""

    def __len__(self) -> int:
        return len(self.embeddings)


def group_tracks(tracks: TrackSet) -> list[list[int]]:
    """Groups of track positions, each of one person, by their first positions."""
    order = _canonical_order(tracks.embeddings)
    strong = order[tracks.reliability[order] >= WEAK]
    weak = order[tracks.reliability[order] < WEAK]
    people = [list(group) for group in _linked(tracks, strong, tracks.min_log_odds)]
    left = _assign_weak(tracks, people, weak)
    people += _linked(tracks, left, tracks.min_log_odds + CLEARLY)
    return sorted(sorted(group) for group in people)


def _canonical_order(embeddings: Float32) -> Indices:
    """Positions in an order that depends on the embeddings alone, so that ties are decided
    in the same way whatever the order of the tracks is."""
    keys = embeddings[:, :8].T[::-1]
    return np.lexsort(keys) if len(embeddings) else np.empty(0, np.intp)


def _linked(tracks: TrackSet, members: Indices, min_log_odds: float) -> list[list[int]]:
    """Average linkage of these tracks; groups are joined from ``min_log_odds`` on."""
    groups: list[list[int]] = []
    for chain in _chains(tracks, members, min_log_odds):
        if len(chain) == 1:
            groups.append(chain.tolist())
            continue
        odds = tracks.log_odds(chain, chain)
        cannot_link = tracks.cannot_link[chain][:, chain].toarray()
        weights = np.maximum(tracks.reliability[chain], MIN_WEIGHT)
        found = average_linkage(odds, cannot_link, weights, min_log_odds)
        groups += [chain[group].tolist() for group in found]
    return groups


def _chains(tracks: TrackSet, members: Indices, min_log_odds: float) -> list[Indices]:
    """Divides the tracks into connected components over pairs that are similar enough.

    The mean of a group reaches the limit only where some pair does. So tracks of two components are
    never joined, and average linkage can run on each component alone: all pairs of the tracks of a
    long video would not fit into memory.
    """
    n = len(members)
    chain = np.arange(n)
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        linked = tracks.log_odds(members[rows], members[first:]) >= min_log_odds
        linked &= chain[rows, None] != chain[first:]
        one, other = linked.nonzero()
        if len(one):
            places = chain[rows][one], chain[first:][other]
            pairs = coo_array((np.ones(len(one), bool), places), shape=(n, n))
            chain = connected_components(pairs, directed=False)[1][chain]
    order = chain.argsort(kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(chain[order])) + 1) if n else []
    return [members[np.sort(part)] for part in parts]


def average_linkage(
    odds: Float64, cannot_link: NDArray[np.bool_], weights: Float64, min_log_odds: float
) -> list[list[int]]:
    """Groups of positions, by average linkage.

    Args:
        odds: ``(n, n)`` symmetric log-odds that two are one person.
        cannot_link: ``(n, n)``; True where two are never joined.
        weights: ``(n,)`` weight of each; a pair has the product of both.
        min_log_odds: mean log-odds from which two groups are joined.
    """
    n = len(odds)
    members = [[i] for i in range(n)]
    sizes = weights.astype(np.float64).copy()
    mean = odds.astype(np.float64).copy()
    mean[cannot_link] = -np.inf  # every mean over such a pair is -inf as well
    np.fill_diagonal(mean, -np.inf)
    # The most similar other group of each group is stored: to search all pairs each time would
    # take minutes with the thousands of tracks of a long video.
    nearest = mean.argmax(axis=1)
    best = mean[np.arange(n), nearest]
    while best[a := int(best.argmax())] >= min_log_odds:
        b = int(nearest[a])
        members[a] += members[b]
        row = (sizes[a] * mean[a] + sizes[b] * mean[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        mean[a] = mean[:, a] = row
        mean[b] = mean[:, b] = -np.inf
        members[b], best[b], sizes[b] = [], -np.inf, 0
        stale = (nearest == a) | (nearest == b)
        stale[a] = True
        # Row by row: for an array of so many rows the system would map new memory each time.
        for i in np.flatnonzero(stale & (sizes > 0)).tolist():
            nearest[i] = mean[i].argmax()
            best[i] = mean[i, nearest[i]]
        closer = row > best
        nearest[closer], best[closer] = a, row[closer]
    return [group for group in members if group]


def _assign_weak(tracks: TrackSet, people: list[list[int]], weak: Indices) -> Indices:
    """Adds each weak track to the person to whom it is clearly most similar.

    A weak track is compared with reliable tracks only, so that no weak track influences another.

    Returns:
        Positions of the weak tracks that were not added.
    """
    if not people or not len(weak):
        return weak
    owner = np.concatenate([np.full(len(group), i) for i, group in enumerate(people)])
    good = np.concatenate([np.array(group, np.intp) for group in people])
    weights = np.maximum(tracks.reliability[good], MIN_WEIGHT)
    totals = np.bincount(owner, weights, len(people))
    chosen: list[tuple[float, int, int]] = []
    for first in range(0, len(weak), ROWS):
        rows = weak[first : first + ROWS]
        odds = tracks.log_odds(rows, good)
        cannot_link = tracks.cannot_link[rows][:, good].toarray()
        for track, of_track, not_with in zip(rows.tolist(), odds, cannot_link, strict=True):
            means = np.bincount(owner, weights * of_track, len(people)) / totals
            means[np.unique(owner[not_with])] = -np.inf
            best = int(means.argmax())
            if means[best] == -np.inf:  # it shares a frame with everybody
                continue
            others = np.delete(means, best)
            lead = means[best] - others.max(initial=-np.inf)
            if means[best] >= tracks.min_log_odds + CLEARLY and lead >= CLEARLY:
                chosen.append((float(means[best]), track, best))
    taken: set[int] = set()
    for _, track, person in sorted(chosen, key=lambda c: -c[0]):
        mates = tracks.cannot_link[[track]].indices
        if not set(mates.tolist()) & set(people[person]):
            people[person].append(track)
            taken.add(track)
    return np.array([t for t in weak.tolist() if t not in taken], np.intp)
