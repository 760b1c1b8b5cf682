"""Which faces of a frame continue which tracks: overlap first, appearance where it is unclear.

The assignment is the cheapest one over all pairs (SciPy's Hungarian solver), not the greedy one, so
crossing people do not swap.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.core.types import Float32

APPEARANCE_WEIGHT = 0.5
"""What a full disagreement in appearance costs, in units of IoU."""
SOMEONE_ELSE = 0.15
"""Cosine similarity below which an unclear pair is never joined."""
CLEARLY_BETTER = 0.3
"""IoU by which the best pair leads the next one where overlap alone settles it."""
SHORTLY, SAME_PLACE = 3, 0.5
"""Frames for which a face may be lost, and the IoU with which it must come back, to be itself
without a look at its appearance."""
NEVER = 1e6

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Positions = NDArray[np.intp]

Pairs = tuple[Positions, Positions]
"""Positions of tracks, in order, and of the faces that are theirs."""

Look = Callable[[Positions, Positions], tuple[list[Float32], list[Float32]]]
"""For positions of tracks and of faces, the ``(512,)`` embedding of each."""


def costs(iou: Float64, possible: Bools) -> Float64:
    """``(..., n, m)`` what it costs to join each pair of a track and a face."""
    return np.where(possible, 1.0 - iou, NEVER)


def unclear(cost: Float64, possible: Bools, away: Int64) -> Bools:
    """``(..., n, m)`` the pairs that overlap alone does not settle.

    ``away``: ``(..., n)`` frames for which each track was lost.
    """
    away = away[..., None]
    doubts = possible & (_rivals(cost, possible) | unsure(cost, away))
    here = possible & (away == 0)
    return doubts & ~_goes_on(np.where(here, cost, NEVER), here)


def associated(cost: Float64, unclear: Bools, look: Look) -> Pairs:
    """The pairs of one frame.

    Args:
        cost: ``(n, m)``.
        unclear: ``(n, m)`` pairs whose appearance counts too.
        look: is called if there are any.
    """
    if unclear.any():
        cost = _with_appearance(cost, unclear, look)
    return cheapest(cost)


def unsure(cost: Float64, away: Int64) -> Bools:
    """Where a track was lost for too long, or comes back too far off, to be surely itself."""
    return np.asarray((away > 0) & (cost > 1 - SAME_PLACE) | (away > SHORTLY))


def cheapest(cost: Float64) -> Pairs:
    """The pairs whose costs add up to the least; none that costs ``NEVER``."""
    tracks, faces = linear_sum_assignment(cost)
    may = cost[tracks, faces] < NEVER / 2
    return tracks[may], faces[may]


def _with_appearance(cost: Float64, unclear: Bools, look: Look) -> Float64:
    cost = cost.copy()
    tracks, faces = np.flatnonzero(unclear.any(1)), np.flatnonzero(unclear.any(0))
    known, seen = look(tracks, faces)
    for track, reference in zip(tracks, known, strict=True):
        for face, candidate in zip(faces, seen, strict=True):
            if unclear[track, face]:
                alike = float(reference @ candidate)
                cost[track, face] += APPEARANCE_WEIGHT * (1.0 - alike)
                if alike < SOMEONE_ELSE:
                    cost[track, face] = NEVER
    return cost


def _goes_on(cost: Float64, possible: Bools) -> Bools:
    """``(..., 1, m)`` faces that surely continue one of these tracks, all seen in the frame before:
    a track that is lost does not take them, so there is no need to look who they are."""
    best = possible & (cost == _least(cost, axis=-2)) & (cost <= 1 - SAME_PLACE)
    return np.asarray((best & ~_rivals(cost, possible)).any(axis=-2, keepdims=True))


def _rivals(cost: Float64, possible: Bools) -> Bools:
    """Pairs of a track or a face that has another possible pair nearly as cheap as its best."""
    rivals = np.zeros_like(possible)
    for axis in (-1, -2):
        near = possible & (cost < _least(cost, axis) + CLEARLY_BETTER)
        rivals |= near & (near.sum(axis=axis, keepdims=True) > 1)
    return rivals


def _least(cost: Float64, axis: int) -> Float64:
    return np.asarray(cost.min(axis=axis, keepdims=True, initial=NEVER))
