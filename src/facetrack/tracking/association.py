"""Data association: which faces of a frame continue which tracks.

The cost of a pair is ``1 - IoU`` of the track's predicted box and the face's box. Where overlap
alone does not settle a pair, the distance of the embeddings is added. The assignment is the one of
least total cost over all pairs (Hungarian method), not a greedy one: a greedy one swaps people who
pass each other.

An embedding costs as much as tracking a hundred frames, so most of this file finds the few pairs
that need one.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.core.types import Float32

APPEARANCE_WEIGHT = 0.5
"""Weight of the cosine distance of two embeddings, beside ``1 - IoU``."""
MIN_SIMILARITY = 0.15
"""Cosine similarity below which a pair whose embeddings are compared is never joined."""
CLEAR_LEAD = 0.3
"""IoU by which the best pair must lead the next one for overlap alone to settle it."""
BRIEFLY_LOST, SAME_PLACE = 3, 0.5
"""A track that was lost for at most so many frames, and is found with at least this IoU, continues
without a comparison of embeddings."""
IMPOSSIBLE = 1e6
"""Cost of a pair that must not be joined."""

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Positions = NDArray[np.intp]

Pairs = tuple[Positions, Positions]
"""Positions of tracks, ascending, and of the face of each."""

Embeddings = Callable[[Positions, Positions], tuple[list[Float32], list[Float32]]]
"""For positions of tracks and of faces, the ``(dim,)`` unit vector of each."""


def costs(iou: Float64, possible: Bools) -> Float64:
    """``(..., n, m)`` cost of joining each track with each face."""
    return np.where(possible, 1.0 - iou, IMPOSSIBLE)


def associate(cost: Float64, possible: Bools, lost: Int64, embeddings: Embeddings) -> Pairs:
    """The pairs of one frame.

    Args:
        cost: ``(n, m)`` of ``costs``.
        possible: ``(n, m)`` pairs that overlap enough.
        lost: ``(n,)`` frames for which each track was lost.
        embeddings: is called if overlap alone does not settle all pairs.
    """
    tracks, faces = possible.nonzero()
    if (
        _all_differ(tracks)
        and _all_differ(faces)
        and not unsure(cost[tracks, faces], lost[tracks]).any()
    ):
        return tracks, faces  # as the lines below would find for most frames, in more time
    return least_cost_pairs(cost, unclear(cost, possible, lost), embeddings)


def least_cost_pairs(cost: Float64, unclear: Bools, embeddings: Embeddings) -> Pairs:
    """The pairs of least total cost; ``unclear``: ``(n, m)`` pairs whose appearance counts too."""
    if unclear.any():
        cost = _with_appearance(cost, unclear, embeddings)
    return assign(cost)


def assign(cost: Float64) -> Pairs:
    """The assignment of least total cost, without pairs that are ``IMPOSSIBLE``."""
    tracks, faces = linear_sum_assignment(cost)
    joined = cost[tracks, faces] < IMPOSSIBLE / 2
    return tracks[joined], faces[joined]


def unclear(cost: Float64, possible: Bools, lost: Int64) -> Bools:
    """``(..., n, m)`` the pairs that overlap alone does not settle.

    ``lost``: ``(..., n)`` frames for which each track was lost.
    """
    lost = lost[..., None]
    doubtful = possible & (_has_rival(cost, possible) | unsure(cost, lost))
    present = possible & (lost == 0)
    return doubtful & ~_continued(np.where(present, cost, IMPOSSIBLE), present)


def unsure(cost: Float64, lost: Int64) -> Bools:
    """Pairs for which overlap is not enough: lost too long, or too little overlap after a gap."""
    return np.asarray((lost > 0) & (cost > 1 - SAME_PLACE) | (lost > BRIEFLY_LOST))


def mutual_best(iou: Float64, min_iou: float) -> Positions:
    """For each face of the second frame the face of the first one that overlaps it most, if that
    is so the other way round too; else -1.

    Args:
        iou: ``(..., n, m)`` of ``n`` faces of the first and ``m`` of the second frame.
        min_iou: least overlap.

    Returns:
        ``(..., m)`` positions.
    """
    if not iou.size:
        return np.full((*iou.shape[:-2], iou.shape[-1]), -1)
    best, back = iou.argmax(axis=-2), iou.argmax(axis=-1)
    mutual = np.take_along_axis(back, best, -1) == np.arange(iou.shape[-1])
    return np.where(mutual & (iou.max(axis=-2) >= min_iou), best, -1)


def _with_appearance(cost: Float64, unclear: Bools, embeddings: Embeddings) -> Float64:
    """The cost, with the distance of the embeddings added to the unclear pairs."""
    cost = cost.copy()
    tracks, faces = np.flatnonzero(unclear.any(1)), np.flatnonzero(unclear.any(0))
    of_tracks, of_faces = embeddings(tracks, faces)
    for track, reference in zip(tracks, of_tracks, strict=True):
        for face, candidate in zip(faces, of_faces, strict=True):
            if unclear[track, face]:
                similarity = float(reference @ candidate)
                cost[track, face] += APPEARANCE_WEIGHT * (1.0 - similarity)
                if similarity < MIN_SIMILARITY:
                    cost[track, face] = IMPOSSIBLE
    return cost


def _continued(cost: Float64, possible: Bools) -> Bools:
    """``(..., 1, m)`` faces that surely continue a track which was there in the frame before. No
    lost track takes such a face, so its embedding is not needed.

    The arguments are of the pairs with tracks of the frame before only.
    """
    best = possible & (cost == _least(cost, axis=-2)) & (cost <= 1 - SAME_PLACE)
    return np.asarray((best & ~_has_rival(cost, possible)).any(axis=-2, keepdims=True))


def _has_rival(cost: Float64, possible: Bools) -> Bools:
    """Pairs of a track or a face that has another possible pair nearly as cheap as its best."""
    rivals = np.zeros_like(possible)
    for axis in (-1, -2):
        near = possible & (cost < _least(cost, axis) + CLEAR_LEAD)
        rivals |= near & (near.sum(axis=axis, keepdims=True) > 1)
    return rivals


def _all_differ(positions: Positions) -> bool:
    return len(set(positions.tolist())) == len(positions)


def _least(cost: Float64, axis: int) -> Float64:
    return np.asarray(cost.min(axis=axis, keepdims=True, initial=IMPOSSIBLE))
