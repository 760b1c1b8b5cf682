"""Box arithmetic of the cascade; boxes are ``(n, 4)`` x1 y1 x2 y2, pure NumPy.

Two overlaps are in use because the cascade was trained and tuned with both: plain IoU between
candidates, and "intersection over the smaller" with inclusive pixels at the end.
"""

import numpy as np
from numpy.typing import NDArray

from facetrack.types import Float32

Indices = NDArray[np.intp]


def nms(boxes: Float32, scores: Float32, groups: Indices, threshold: float) -> Indices:
    """Non-maximum suppression by IoU inside each group; kept positions, best score first."""
    return _suppress(boxes, scores, groups, threshold, inclusive=0.0, over_smaller=False)


def nms_of_smaller(boxes: Float32, scores: Float32, groups: Indices, threshold: float) -> Indices:
    """As ``nms``, by intersection over the smaller box, with inclusive pixel edges."""
    return _suppress(boxes, scores, groups, threshold, inclusive=1.0, over_smaller=True)


def _suppress(
    boxes: Float32,
    scores: Float32,
    groups: Indices,
    threshold: float,
    inclusive: float,
    over_smaller: bool,
) -> Indices:
    order = np.argsort(-scores, kind="stable")
    kept: list[Indices] = []
    for group in np.unique(groups):
        kept.append(
            _suppress_one(boxes, order[groups[order] == group], threshold, inclusive, over_smaller)
        )
    if not kept:
        return np.empty(0, np.intp)
    joined = np.concatenate(kept)
    return joined[np.argsort(-scores[joined], kind="stable")]


def _suppress_one(
    boxes: Float32, order: Indices, threshold: float, inclusive: float, over_smaller: bool
) -> Indices:
    x1, y1, x2, y2 = boxes[order].T
    plus = np.float32(inclusive)
    area = (x2 - x1 + plus) * (y2 - y1 + plus)
    kept = []
    left = np.arange(len(order))
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + plus
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + plus
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if over_smaller:
            overlap = shared / np.minimum(area[best], area[rest])
        else:
            overlap = shared / (area[best] + area[rest] - shared)
        left = rest[overlap <= threshold]
    return order[np.array(kept, np.intp)]


def squared(boxes: Float32) -> Float32:
    """Boxes grown to squares of their longer side around the same centre."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    top_left = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([top_left, top_left + side], axis=1)


def regressed(boxes: Float32, offsets: Float32, inclusive: float) -> Float32:
    """Boxes moved by a network's offsets, which are in units of the box's size.

    ``inclusive`` is added to the size: R- and O-Net count the last pixel (1), P-Net does not (0).
    """
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(inclusive)
    return np.asarray(boxes + offsets * np.concatenate([size, size], axis=1))


def iou_matrix(a: Float32, b: Float32) -> NDArray[np.float64]:
    """``(n, 4)`` and ``(m, 4)`` boxes to ``(n, m)`` intersection over union, 0 to 1."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=2, dtype=np.float64)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1, dtype=np.float64)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1, dtype=np.float64)
    union = area_a[:, None] + area_b[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9))
