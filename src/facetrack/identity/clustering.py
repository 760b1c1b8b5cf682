"""Joins tracks into people: average linkage over calibrated evidence, weak tracks last.

The similarity of two tracks is the log-odds that they are one person: the cosine of their
embeddings, judged by the recogniser's calibration and by how good the faces behind each are. The
similarity of two groups is the mean over all pairs of their tracks, a pair weighing as much as its
faces are worth. The two most similar groups are joined until none are similar enough (UPGMA, Sokal
and Michener, 1958). Tracks that were seen in one frame are never joined.

Tracks of small or blurred faces look like everybody. So good tracks form people first, among
themselves; then a weak track joins the one person whom it clearly resembles; what is left of weak
tracks is joined among itself. A weak track can therefore never bridge two people.

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
"""Tracks that are compared with all others at once."""
WEAK = 0.35
"""Reliability below which a track joins others only after the good ones have formed people."""
LEAST_WEIGHT = 1e-3
"""What a track counts at least in a mean over pairs."""
CLEARLY = 2.2
"""Log-odds that a weak track needs beyond what others need to join a person (a probability of 0.9
where others need 0.5), and by which that person must be ahead of the next one."""

PairLogOdds = Callable[[Indices, Indices], Float64]
"""For positions of ``n`` and of ``m`` tracks, ``(n, m)`` log-odds that two are one person."""


@dataclass(frozen=True)
class TrackSet:
    """The tracks that are joined into people."""

    embeddings: Float32
    """``(n, dim)`` of length one."""
    reliability: Float64
    """``(n,)`` 0 to 1: how much the faces behind each embedding are worth."""
    cannot_link: csr_array
    """``(n, n)`` bool; True where two tracks share a frame."""
    log_odds: PairLogOdds
    """0: as likely one person as two, by all that is known."""
    needed: float = 0.0
    """Log-odds from which two are one person."""

    def __len__(self) -> int:
        return len(self.embeddings)


def group_tracks(tracks: TrackSet) -> list[list[int]]:
    """Groups of track positions, each one person, in order of their first positions."""
    order = _canonical_order(tracks.embeddings)
    strong = order[tracks.reliability[order] >= WEAK]
    weak = order[tracks.reliability[order] < WEAK]
    people = [list(group) for group in _linked(tracks, strong, tracks.needed)]
    left = _assign_weak(tracks, people, weak)
    people += _linked(tracks, left, tracks.needed + CLEARLY)
    return sorted(sorted(group) for group in people)


def _canonical_order(embeddings: Float32) -> Indices:
    """Positions in an order that follows from the embeddings alone: ties are then the same ones
    whatever the order of the tracks."""
    keys = embeddings[:, :8].T[::-1]
    return np.lexsort(keys) if len(embeddings) else np.empty(0, np.intp)


def _linked(tracks: TrackSet, members: Indices, needed: float) -> list[list[int]]:
    """Average linkage of these tracks; ``needed``: log-odds from which two groups are one."""
    groups: list[list[int]] = []
    for chain in _chains(tracks, members, needed):
        if len(chain) == 1:
            groups.append(chain.tolist())
            continue
        odds = tracks.log_odds(chain, chain)
        apart = tracks.cannot_link[chain][:, chain].toarray()
        weights = np.maximum(tracks.reliability[chain], LEAST_WEIGHT)
        groups += [chain[g].tolist() for g in average_linkage(odds, apart, weights, needed)]
    return groups


def _chains(tracks: TrackSet, members: Indices, needed: float) -> list[Indices]:
    """The tracks that are linked by pairs which are similar enough.

    A mean is high enough only where some pair is, so tracks that no chain of such pairs links are
    never joined: all pairs of a long video's tracks would not fit into memory.
    """
    n = len(members)
    chain = np.arange(n)
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        linked = tracks.log_odds(members[rows], members[first:]) >= needed
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
    odds: Float64, apart: NDArray[np.bool_], weights: Float64, needed: float
) -> list[list[int]]:
    """Groups of positions.

    Args:
        odds: ``(n, n)`` log-odds that two are one, symmetric.
        apart: ``(n, n)``; True where two are never joined.
        weights: ``(n,)`` what each counts; a pair counts the product.
        needed: mean log-odds from which two groups are one.
    """
    n = len(odds)
    members = [[i] for i in range(n)]
    sizes = weights.astype(np.float64).copy()
    mean = odds.astype(np.float64).copy()
    mean[apart] = -np.inf  # and so is every mean with it
    np.fill_diagonal(mean, -np.inf)
    # Of each group the most similar other one is kept: to look for it in all pairs each time
    # would take minutes with the thousands of tracks of a long video.
    nearest = mean.argmax(axis=1)
    best = mean[np.arange(n), nearest]
    while best[a := int(best.argmax())] >= needed:
        b = int(nearest[a])
        members[a] += members[b]
        row = (sizes[a] * mean[a] + sizes[b] * mean[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        mean[a] = mean[:, a] = row
        mean[b] = mean[:, b] = -np.inf
        members[b], best[b], sizes[b] = [], -np.inf, 0
        stale = (nearest == a) | (nearest == b)
        stale[a] = True
        # Row by row: an array of so many rows would be mapped anew by the system each time.
        for i in np.flatnonzero(stale & (sizes > 0)).tolist():
            nearest[i] = mean[i].argmax()
            best[i] = mean[i, nearest[i]]
        closer = row > best
        nearest[closer], best[closer] = a, row[closer]
    return [group for group in members if group]


def _assign_weak(tracks: TrackSet, people: list[list[int]], weak: Indices) -> Indices:
    """Adds each weak track to the person whom it clearly resembles; those that are left.

    A weak track is compared with the good tracks alone, so that none leads another one astray.
    """
    if not people or not len(weak):
        return weak
    owner = np.concatenate([np.full(len(group), i) for i, group in enumerate(people)])
    good = np.concatenate([np.array(group, np.intp) for group in people])
    weights = np.maximum(tracks.reliability[good], LEAST_WEIGHT)
    totals = np.bincount(owner, weights, len(people))
    chosen: list[tuple[float, int, int]] = []
    for first in range(0, len(weak), ROWS):
        rows = weak[first : first + ROWS]
        odds = tracks.log_odds(rows, good)
        apart = tracks.cannot_link[rows][:, good].toarray()
        for track, of_track, not_with in zip(rows.tolist(), odds, apart, strict=True):
            means = np.bincount(owner, weights * of_track, len(people)) / totals
            means[np.unique(owner[not_with])] = -np.inf
            best = int(means.argmax())
            if means[best] == -np.inf:  # it was seen beside everybody
                continue
            others = np.delete(means, best)
            lead = means[best] - others.max(initial=-np.inf)
            if means[best] >= tracks.needed + CLEARLY and lead >= CLEARLY:
                chosen.append((float(means[best]), track, best))
    taken: set[int] = set()
    for _, track, person in sorted(chosen, key=lambda c: -c[0]):
        mates = tracks.cannot_link[[track]].indices
        if not set(mates.tolist()) & set(people[person]):
            people[person].append(track)
            taken.add(track)
    return np.array([t for t in weak.tolist() if t not in taken], np.intp)
