"""Joins tracks into people: average linkage, people seen together never joined.

The similarity of two groups is the mean cosine over all pairs of their tracks' embeddings; the
most similar pair of groups is joined until none reaches the threshold.
"""

import numpy as np
from numpy.typing import NDArray

from facetrack.types import Float32


def group_tracks(
    embeddings: Float32, together: NDArray[np.bool_], threshold: float
) -> list[list[int]]:
    """Groups of track positions, in none of which two tracks share a frame.

    Joined step by step, the two groups first whose pairs are most alike on average (UPGMA, Sokal
    and Michener, 1958).

    Args:
        embeddings: ``(n, 512)`` float32 of length one.
        together: ``(n, n)``; True where two tracks share a frame.
        threshold: cosine from which two groups are one person.
    """
    n = len(embeddings)
    members = [[i] for i in range(n)]
    sums = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    sizes = np.ones(n)
    mean = np.where(together, -np.inf, sums)
    np.fill_diagonal(mean, -np.inf)
    # Of each group the most similar other one is kept: to look for it in all pairs each time
    # would take minutes with the thousands of tracks of a long video.
    nearest = mean.argmax(axis=1) if n else np.empty(0, np.intp)
    best = mean[np.arange(n), nearest]
    alive = np.ones(n, dtype=bool)
    while n and best[a := int(best.argmax())] >= threshold:
        b = int(nearest[a])
        members[a] += members[b]
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sizes[a] += sizes[b]
        apart = np.isneginf(mean[a]) | np.isneginf(mean[b])
        alive[b] = False
        mean[b] = mean[:, b] = -np.inf
        mean[a] = mean[:, a] = np.where(apart, -np.inf, sums[a] / (sizes * sizes[a]))
        for i in np.flatnonzero(alive & ((nearest == a) | (nearest == b))).tolist():
            nearest[i] = mean[i].argmax()
        nearest[a] = mean[a].argmax()
        closer = mean[a] > mean[np.arange(n), nearest]
        nearest[closer] = a
        best = np.where(alive, mean[np.arange(n), nearest], -np.inf)
    return [sorted(members[i]) for i in np.flatnonzero(alive)]
