"""Faces whose place in the frame suddenly looks different: somebody else may be there now.

A cut that changes a small part of the frame alone, a swap behind a pole and a quick dissolve are no
cuts of the film, but a track that goes on through one may show two people. So the change inside
each face's box is compared with the changes in the same box just before. What stands out is no
proof, but a reason for the recogniser to look at the faces on both sides.

Only frames before a frame count, so that the answer does not depend on how frames are batched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.media.picture import COARSE
from facetrack.tracking.seen import Seen
from facetrack.types import Float32

BEFORE = 2
"""Frames before whose changes are compared."""
STANDS_OUT = 2.0
"""How many times these the change is."""
LEAST = 6.0
"""Change (of 255) below which nothing stands out."""
SAMPLES = 6
"""Samples of the coarse frame that a box must hold."""

Sums = NDArray[np.float64]
"""``(rows + 1, columns + 1)`` sums of changes above and left of each sample."""


class LocalChanges:
    """Feed the frames in order."""

    def __init__(self) -> None:
        self._coarse: NDArray[np.int16] | None = None
        """The last frame's samples."""
        self._sums: list[Sums] = []
        """Of the changes of the last frames."""

    def stand_out(
        self, seen: Sequence[Seen], boxes: Float32, at: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """``(n,)`` which faces' places changed suddenly from the frame before.

        Args:
            seen: the next frames, one or more.
            boxes: ``(n, 4)`` x1 y1 x2 y2 of all their faces, in pixels.
            at: ``(n,)`` the frame of each, by its place in ``seen``.
        """
        coarse = [one.frame.picture.coarse().astype(np.int16) for one in seen]
        before = [coarse[0] if self._coarse is None else self._coarse, *coarse[:-1]]
        sums = [_summed(a, b) for a, b in zip(before, coarse, strict=True)]
        nothing = [np.zeros_like(sums[0])] * (BEFORE - len(self._sums))
        sums = [*nothing, *self._sums, *sums]
        self._coarse, self._sums = coarse[-1], sums[-BEFORE:]
        if not len(boxes):
            return np.zeros(0, bool)
        shapes = np.array([one.frame.picture.shape for one in seen])[at]
        corners, counts = _samples_of(boxes, shapes)
        stacked = np.stack(sums)
        now = _means(stacked, at + BEFORE, corners, counts)
        usual = np.max([_means(stacked, at + i, corners, counts) for i in range(BEFORE)], axis=0)
        return np.asarray((counts >= SAMPLES) & (now >= LEAST + STANDS_OUT * usual))


def _summed(before: NDArray[np.int16], after: NDArray[np.int16]) -> Sums:
    if before.shape != after.shape:
        return np.zeros((COARSE[0] + 1, COARSE[1] + 1))
    change = np.abs(after - before).mean(axis=2)
    sums = np.zeros((change.shape[0] + 1, change.shape[1] + 1))
    sums[1:, 1:] = change.cumsum(axis=0).cumsum(axis=1)
    return sums


def _samples_of(
    boxes: Float32, shapes: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``(n, 4)`` first and end columns and rows of the samples inside each box; how many."""
    scale = np.array(COARSE) / shapes
    x, y = boxes[:, 0::2] * scale[:, 1:], boxes[:, 1::2] * scale[:, :1]
    columns = np.clip(np.round(x), 0, COARSE[1]).astype(np.intp)
    rows = np.clip(np.round(y), 0, COARSE[0]).astype(np.intp)
    counts = np.maximum(np.diff(columns)[:, 0], 0) * np.maximum(np.diff(rows)[:, 0], 0)
    return np.concatenate([columns, rows], axis=1), counts


def _means(
    sums: Sums, which: NDArray[np.intp], corners: NDArray[np.intp], counts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean change inside each box, in the frames ``which``."""
    left, right, top, below = corners.T
    inside = (
        sums[which, below, right] - sums[which, below, left]
        - sums[which, top, right] + sums[which, top, left]
    )  # fmt: skip
    return np.asarray(inside / np.maximum(counts, 1))
