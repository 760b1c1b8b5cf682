"""Joins tracks into people: average linkage, people seen together never joined.

The similarity of two groups is the mean cosine over all pairs of their tracks' embeddings; the
most similar pair of groups is joined until none reaches the threshold. A mean reaches it only
where some pair does, so tracks that no chain of such pairs links are never joined, and each chain's
are joined by themselves: all pairs of a long video's tracks would not fit into memory.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from facetrack.types import Float32

ROWS = 256
"""Tracks that are compared with all others at once."""
ROUNDING = 1e-4
"""How much less alike than the threshold a pair may look in float32."""


def group_tracks(embeddings: Float32, together: csr_array, threshold: float) -> list[list[int]]:
    """Groups of track positions, in none of which two tracks share a frame.

    Joined step by step, the two groups first whose pairs are most alike on average (UPGMA, Sokal
    and Michener, 1958).

    Args:
        embeddings: ``(n, 512)`` float32 of length one.
        together: ``(n, n)``; True where two tracks share a frame.
        threshold: cosine from which two groups are one person.
    """
    groups = []
    for chain in _chains(embeddings, threshold):
        if len(chain) == 1:
            groups.append(chain.tolist())
        else:
            apart = together[chain][:, chain].toarray()
            of_chain = _joined(embeddings[chain].astype(np.float64), apart, threshold)
            groups += [sorted(chain[group].tolist()) for group in of_chain]
    return sorted(groups)


def _chains(embeddings: Float32, threshold: float) -> list[NDArray[np.intp]]:
    """Positions of tracks that are linked by pairs which reach the threshold, in order."""
    n = len(embeddings)
    chain = np.arange(n)
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        linked = embeddings[rows] @ embeddings[first:].T >= threshold - ROUNDING
        linked &= chain[rows, None] != chain[first:]
        one, other = linked.nonzero()
        if len(one):
            places = chain[rows][one], chain[first:][other]
            pairs = coo_array((np.ones(len(one), bool), places), shape=(n, n))
            chain = connected_components(pairs, directed=False)[1][chain]
    order = chain.argsort(kind="stable")
    return np.split(order, np.flatnonzero(np.diff(chain[order])) + 1) if n else []


def _joined(
    vectors: NDArray[np.float64], apart: NDArray[np.bool_], threshold: float
) -> list[list[int]]:
    n = len(vectors)
    members = [[i] for i in range(n)]
    sizes = np.ones(n)
    mean = vectors @ vectors.T
    mean[apart] = -np.inf  # and so is every mean with it
    np.fill_diagonal(mean, -np.inf)
    # Of each group the most similar other one is kept: to look for it in all pairs each time
    # would take minutes with the thousands of tracks of a long video.
    nearest = mean.argmax(axis=1)
    best = mean[np.arange(n), nearest]
    while best[a := int(best.argmax())] >= threshold:
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
