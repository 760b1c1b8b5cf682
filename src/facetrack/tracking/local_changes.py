"""Finds faces whose place in the frame suddenly looks different: another person may be there now.

A track may go from one person to another where the shot detector finds no cut: in a small part of
the frame, behind a pole, in a quick dissolve. So the change inside each face's box is compared with
the changes in the same box just before. A change that stands out is no proof; the recogniser then
compares the faces on both sides.

Only earlier frames are used, so the result does not depend on how frames are batched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import COARSE, stacked

BEFORE = 2
"""Number of earlier changes that a change is compared with."""
STANDS_OUT = 2.0
"""Factor by which a change that stands out exceeds the highest of these, beyond ``MIN_CHANGE``."""
MIN_CHANGE = 6.0
"""Change (of 255) that a change must have in any case."""
MIN_SAMPLES = 6
"""Samples of the coarse frame that a box must hold."""

Sums = NDArray[np.uint16]
"""``(f, rows + 1, columns)``: for each sample the sum of the changes above it in its column, of all
colours; below 2 ** 15."""


class LocalChanges:
    """Takes all frames in order."""

    def __init__(self) -> None:
        self._coarse: NDArray[np.uint8] | None = None
        """The coarse image of the last frame."""
        self._sums: Sums = np.zeros((BEFORE, COARSE[0] + 1, COARSE[1]), np.uint16)
        """Of the last ``BEFORE`` changes."""

    def stand_out(
        self, detections: Sequence[FrameDetections], boxes: Float32, at: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """``(n,)`` whether the place of each face changed suddenly from the frame before.

        Args:
            detections: the next frames, one or more.
            boxes: ``(n, 4)`` x1 y1 x2 y2 of all their faces, in pixels.
            at: ``(n,)`` position of each face's frame in ``detections``.
        """
        coarse = [one.frame.image.coarse() for one in detections]
        first = coarse[0] if self._coarse is None else self._coarse
        now_sums = _summed(stacked([first, *coarse]))
        sums = np.concatenate([self._sums, now_sums])
        self._coarse, self._sums = coarse[-1], sums[-BEFORE:]
        if not len(boxes):
            return np.zeros(0, bool)
        shapes = np.array([one.frame.image.shape for one in detections])[at]
        corners, counts = _samples_of(boxes, shapes)
        column, (left, right) = np.arange(COARSE[1]), corners.T[:2, :, None]
        inside = ((left <= column) & (column < right)).astype(np.float32)
        *before, now = (
            _sums_of(sums, at + i, corners, inside) / (3.0 * np.maximum(counts, 1))
            for i in range(BEFORE + 1)
        )
        usual = np.max(before, axis=0)
        return np.asarray((counts >= MIN_SAMPLES) & (now >= MIN_CHANGE + STANDS_OUT * usual))


def _summed(coarse: NDArray[np.uint8]) -> Sums:
    """The sums for each of ``(f + 1, 36, 64, 3)`` coarse frames but the first."""
    before, after = coarse[:-1], coarse[1:]
    change = np.maximum(before, after)
    change -= np.minimum(before, after)
    # Channel by channel: NumPy's ``sum`` over an axis of three takes ten times as long.
    sums = np.zeros((len(after), COARSE[0] + 1, COARSE[1]), np.uint16)
    np.add(change[..., 0], change[..., 1], out=sums[:, 1:], dtype=np.uint16)
    sums[:, 1:] += change[..., 2]
    # Sums of 1, 2, 4, ... rows: 3 us a frame, where ``cumsum`` takes 15.
    rows = 1
    while rows < COARSE[0]:
        sums[:, rows + 1 :] += sums[:, 1:-rows]
        rows *= 2
    return sums


def _samples_of(
    boxes: Float32, shapes: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The samples of the coarse frame that lie inside each box.

    Args:
        boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
        shapes: ``(n, 2)`` height and width of each face's frame in pixels.

    Returns:
        ``(n, 4)`` first and end column, first and end row; and ``(n,)`` number of samples.
    """
    scale = np.array(COARSE) / shapes
    x, y = boxes[:, 0::2] * scale[:, 1:], boxes[:, 1::2] * scale[:, :1]
    columns = np.clip(np.round(x), 0, COARSE[1]).astype(np.intp)
    rows = np.clip(np.round(y), 0, COARSE[0]).astype(np.intp)
    counts = np.maximum(np.diff(columns)[:, 0], 0) * np.maximum(np.diff(rows)[:, 0], 0)
    return np.concatenate([columns, rows], axis=1), counts


def _sums_of(
    sums: Sums, which: NDArray[np.intp], corners: NDArray[np.intp], inside: Float32
) -> Float32:
    """``(n,)`` sum of the changes inside each box: whole numbers below 2 ** 21, exact in float32.

    Args:
        sums: of all frames.
        which: ``(n,)`` positions of the frames.
        corners: of ``_samples_of``.
        inside: ``(n, columns)`` 1 for the columns of the box, 0 for others.
    """
    top, below = corners.T[2:]
    of_columns = (sums[which, below] - sums[which, top]).astype(np.float32)
    return np.asarray(np.vecdot(of_columns, inside))
