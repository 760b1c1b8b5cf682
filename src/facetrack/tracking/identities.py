"""Joins tracks into people: average linkage, people seen together never joined.

The similarity of two groups is the mean cosine over all pairs of their tracks' embeddings; the
most similar pair of groups is joined until none reaches the threshold.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.types import Float32


def group_tracks(
    embeddings: Float32, together: NDArray[np.bool_], threshold: float
) -> list[list[int]]:
    """Groups of track positions.

    Args:
        embeddings: ``(n, 512)`` float32 of length one.
        together: ``(n, n)``; True where two tracks share a frame.
        threshold: cosine from which two groups are one person.
    """
    n = len(embeddings)
    members = [[i] for i in range(n)]
    sums = embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    sizes = np.ones(n)
    allowed = ~together.copy()
    np.fill_diagonal(allowed, False)
    alive = np.ones(n, dtype=bool)
    while alive.sum() > 1:
        mean = np.where(allowed, sums / np.outer(sizes, sizes), -np.inf)
        a, b = divmod(int(mean.argmax()), n)
        if mean[a, b] < threshold:
            break
        members[a] += members[b]
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sizes[a] += sizes[b]
        allowed[a] &= allowed[b]
        allowed[:, a] &= allowed[:, b]
        allowed[b] = False
        allowed[:, b] = False
        alive[b] = False
    return [sorted(members[i]) for i in np.flatnonzero(alive)]


def seen_together(frames: Sequence[set[int]]) -> NDArray[np.bool_]:
    """``(n, n)``: whether two tracks were detected in one and the same frame."""
    n = len(frames)
    together = np.zeros((n, n), dtype=bool)
    for i in range(n):
        for j in range(i):
            together[i, j] = together[j, i] = not frames[i].isdisjoint(frames[j])
    return together
