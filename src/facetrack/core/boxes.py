"""Box arithmetic in NumPy: overlap, non-maximum suppression, squares. Boxes are x1 y1 x2 y2.

MTCNN was trained and tuned with two overlaps, so both are here: intersection over union between
candidates, and intersection over the smaller box, with inclusive pixel edges, at the end.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


NMS_BLOCK = 256
"""Number of boxes that are compared with each other at once; bounds the memory."""


def nms(boxes: Float32, scores: Float32, threshold: float) -> Indices:
    """Greedy non-maximum suppression by IoU.

    Args:
        boxes: ``(n, 4)`` x1 y1 x2 y2.
        scores: ``(n,)``.
        threshold: IoU above which the box with the lower score is removed.

    Returns:
        Indices of the boxes that stay, best score first.
    """
    return _suppressed(boxes, scores, threshold, inclusive=0.0, over_smaller=False)


def nms_of_smaller(boxes: Float32, scores: Float32, threshold: float) -> Indices:
    """``nms`` by intersection over the smaller box, with inclusive pixel edges."""
    return _suppressed(boxes, scores, threshold, inclusive=1.0, over_smaller=True)


def _suppressed(
    boxes: Float32, scores: Float32, threshold: float, inclusive: float, over_smaller: bool
) -> Indices:
    left = np.argsort(-scores, kind="stable")
    kept = [left[:0]]
    while left.size:
        head, left = left[:NMS_BLOCK], left[NMS_BLOCK:]
        covered = _nms_overlap(boxes[head], boxes[head], inclusive, over_smaller) > threshold
        alive = np.ones(len(head), dtype=bool)
        for i in range(len(head)):
            if alive[i]:
                alive[i + 1 :] &= ~covered[i, i + 1 :]
        best = head[alive]
        kept.append(best)
        covers = _nms_overlap(boxes[best], boxes[left], inclusive, over_smaller) > threshold
        left = left[~covers.any(axis=0)]
    return np.concatenate(kept)


def _nms_overlap(a: Float32, b: Float32, inclusive: float, over_smaller: bool) -> Float32:
    """``(n, m)``; in float32 throughout, as the reference cascade, and so not ``iou``."""
    plus = np.float32(inclusive)
    area_a, area_b = ((c[:, 2] - c[:, 0] + plus) * (c[:, 3] - c[:, 1] + plus) for c in (a, b))
    first, second = a[:, None], b[None]
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    shared = np.maximum(width + plus, 0) * np.maximum(height + plus, 0)
    if over_smaller:
        return np.asarray(shared / np.minimum(area_a[:, None], area_b))
    return np.asarray(shared / (area_a[:, None] + area_b - shared))


def squared(boxes: Float32) -> Float32:
    """``(n, 4)`` boxes as squares: the side is the longer one, the centre stays."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    top_left = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([top_left, top_left + side], axis=1)


def regressed(boxes: Float32, offsets: Float32, inclusive: float) -> Float32:
    """``(n, 4)`` boxes plus a network's ``(n, 4)`` offsets, which are in units of the box size.

    ``inclusive`` is added to the size: R- and O-Net count the last pixel (1), P-Net does not (0).
    """
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(inclusive)
    return np.asarray(boxes + offsets * np.concatenate([size, size], axis=1))


def iou(a: Float32, b: Float32) -> Float64:
    """Intersection over union of boxes, 0 to 1: ``(..., 4)`` and ``(..., 4)``, which are broadcast,
    to ``(...)``. A box without area overlaps nothing."""
    # Each coordinate by itself: one operation on pairs of them takes up to twice as long.
    left, top, right, bottom = (a[..., i] for i in range(4))
    left_b, top_b, right_b, bottom_b = (b[..., i] for i in range(4))
    width = np.minimum(right, right_b) - np.maximum(left, left_b)
    height = np.minimum(bottom, bottom_b) - np.maximum(top, top_b)
    shared = _area(np.maximum(width, 0), np.maximum(height, 0))
    union = _area(right - left, bottom - top) + _area(right_b - left_b, bottom_b - top_b) - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def iou_matrix(a: Float32, b: Float32) -> Float64:
    """IoU of each of ``n`` boxes with each of ``m``: ``(..., n, 4)`` and ``(..., m, 4)`` to
    ``(..., n, m)``."""
    return iou(a[..., :, None, :], b[..., None, :, :])


def iou_of_pair(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two boxes in plain Python: for one pair NumPy takes ten times as long. It differs from
    ``iou`` by rounding."""
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = a, b
    width, height = min(right, right_b) - max(left, left_b), min(bottom, bottom_b) - max(top, top_b)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    area_a, area_b = (right - left) * (bottom - top), (right_b - left_b) * (bottom_b - top_b)
    return shared / (area_a + area_b - shared)


def _area(widths: Float32, heights: Float32) -> Float64:
    return np.multiply(widths, heights, dtype=np.float64)
