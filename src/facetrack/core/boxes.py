"""Box arithmetic in NumPy: overlap, non-maximum suppression, squares. Boxes are x1 y1 x2 y2.

MTCNN was trained and tuned with two overlaps, so both are here: intersection over union between
candidates, and intersection over the smaller box, with inclusive pixel edges, at the end.
"""

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

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
        covered = _overlap(boxes[head], boxes[head], inclusive, over_smaller) > threshold
        alive = np.ones(len(head), dtype=bool)
        for i in range(len(head)):
            if alive[i]:
                alive[i + 1 :] &= ~covered[i, i + 1 :]
        best = head[alive]
        kept.append(best)
        covers = _overlap(boxes[best], boxes[left], inclusive, over_smaller) > threshold
        left = left[~covers.any(axis=0)]
    return np.concatenate(kept)


def _overlap(a: Float32, b: Float32, inclusive: float, over_smaller: bool) -> Float32:
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


def iou_matrix(a: Float32, b: Float32) -> NDArray[np.float64]:
    """Intersection over union of ``(n, 4)`` and ``(m, 4)`` boxes: ``(n, m)``, 0 to 1."""
    # Two columns are multiplied: NumPy's ``prod`` over them takes three times as long.
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    overlap = _areas(np.maximum(sides, 0))
    union = _areas(a[:, None, 2:] - a[:, None, :2]) + _areas(b[:, 2:] - b[:, :2]) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9))


def iou_matrices(a: Float32, b: Float32) -> NDArray[np.float64]:
    """``iou_matrix`` of ``f`` frames at once: ``(f, n, 4)`` and ``(f, m, 4)`` to ``(f, n, m)``.

    Each coordinate is made contiguous first, which halves the time.
    """
    first, second = (np.ascontiguousarray(boxes.transpose(2, 0, 1)) for boxes in (a, b))
    first, second = first[:, :, :, None], second[:, :, None]
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    overlap = _products(*np.maximum(sides, 0))
    union = _products(*(first[2:] - first[:2])) + _products(*(second[2:] - second[:2])) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9))


def _areas(sides: Float32) -> NDArray[np.float64]:
    """``(..., 2)`` widths and heights to ``(...)`` areas."""
    return _products(sides[..., 0], sides[..., 1])


def _products(widths: Float32, heights: Float32) -> NDArray[np.float64]:
    return np.multiply(widths, heights, dtype=np.float64)
