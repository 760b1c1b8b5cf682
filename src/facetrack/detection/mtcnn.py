"""The MTCNN cascade over a batch of pictures: P-Net proposes, R-Net refines, O-Net decides.

Follows facenet-pytorch 2.6's ``MTCNN(keep_all=True)`` (MIT; itself after David Sandberg's facenet)
number by number; tests/test_mtcnn.py holds the two side by side. Knows nothing of engines: the
networks are given.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.detection.area import area_resized
from facetrack.detection.boxes import Indices, nms, nms_of_smaller, regressed, squared
from facetrack.settings import DetectionSettings
from facetrack.types import Faces, Float32, Image

PNET_CELL = 12
"""Pixels of a pyramid level that one P-Net output sees."""
PNET_STRIDE = 2
SCALE_NMS = 0.5
CANDIDATE_NMS = 0.7
FACE_NMS = 0.7
RNET_SIZE = 24
ONET_SIZE = 48


class Networks(Protocol):
    """The three networks on some engine."""

    def propose(
        self, images: NDArray[np.uint8], sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[Float32, Float32]]:
        """``(n, h, w, 3)`` RGB to each level's offsets ``(n, 4, y, x)``, scores ``(n, y, x)``."""
        ...

    def refine(self, crops: Float32) -> tuple[Float32, Float32]:
        """``(k, 24, 24, 3)`` 0..255 to offsets ``(k, 4)`` and scores ``(k,)``."""
        ...

    def decide(self, crops: Float32) -> tuple[Float32, Float32, Float32]:
        """``(k, 48, 48, 3)`` 0..255 to offsets, landmarks ``(k, 10)`` (five x, five y), scores."""
        ...


class Candidates(NamedTuple):
    boxes: Float32
    scores: Float32
    images: Indices
    """Which picture of the batch each belongs to."""

    def pick(self, which: Indices | NDArray[np.bool_]) -> "Candidates":
        return Candidates(self.boxes[which], self.scores[which], self.images[which])


class Cascade:
    """Detects faces with three networks."""

    def __init__(self, networks: Networks, settings: DetectionSettings) -> None:
        self._networks = networks
        self._settings = settings

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        """Faces of each picture, best score first; all ``(h, w, 3)`` uint8 RGB of one size."""
        proposed = self._propose(images)
        refined = self._refine(images, proposed)
        return self._decide(images, refined)

    def refine(self, images: Sequence[Image], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of squares where faces are expected, one row a square, in order.

        ``anchors``: ``(n, 4)``; ``of_image``: each one's picture. A square that lies wholly
        outside its picture keeps its place with score 0.
        """
        proposed = Candidates(anchors, np.zeros(len(anchors), np.float32), of_image)
        inside, crops = _crops(images, proposed, ONET_SIZE)
        out, scores = anchors.copy(), proposed.scores
        landmarks = np.zeros((len(anchors), 5, 2), np.float32)
        if len(crops):
            offsets, points, surely = self._networks.decide(crops)
            squares = anchors[inside]
            out[inside] = regressed(squares, offsets, inclusive=1)
            landmarks[inside] = _landmarks(squares, points)
            scores[inside] = surely
        return Faces(out, scores, landmarks, anchors, "refined")

    def _propose(self, images: Sequence[Image]) -> Candidates:
        height, width = images[0].shape[:2]
        scales = pyramid_scales(height, width, self._settings)
        if not scales:
            return _none()
        sizes = [(int(height * s + 1), int(width * s + 1)) for s in scales]
        levels = self._networks.propose(np.stack(images), sizes)
        found, offsets = [], []
        for scale, (moves, scores) in zip(scales, levels, strict=True):
            level, moved = _cells(moves, scores, scale, self._settings.pnet_threshold)
            kept = nms(level.boxes, level.scores, level.images, SCALE_NMS)
            found.append(level.pick(kept))
            offsets.append(moved[kept])
        together = Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        kept = nms(together.boxes, together.scores, together.images, CANDIDATE_NMS)
        candidates = together.pick(kept)
        moved = regressed(candidates.boxes, np.concatenate(offsets)[kept], inclusive=0)
        return candidates._replace(boxes=squared(moved))

    def _refine(self, images: Sequence[Image], candidates: Candidates) -> Candidates:
        inside, crops = _crops(images, candidates, RNET_SIZE)
        candidates = candidates.pick(inside)
        if not len(crops):
            return _none()
        offsets, scores = self._networks.refine(crops)
        passed = scores > self._settings.rnet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        kept = nms(candidates.boxes, candidates.scores, candidates.images, CANDIDATE_NMS)
        candidates = candidates.pick(kept)
        moved = regressed(candidates.boxes, offsets[passed][kept], inclusive=1)
        return candidates._replace(boxes=squared(moved))

    def _decide(self, images: Sequence[Image], candidates: Candidates) -> list[Faces]:
        inside, crops = _crops(images, candidates, ONET_SIZE)
        candidates = candidates.pick(inside)
        if not len(crops):
            return [Faces.none() for _ in images]
        offsets, points, scores = self._networks.decide(crops)
        passed = scores > self._settings.onet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        landmarks = _landmarks(candidates.boxes, points[passed])
        boxes = regressed(candidates.boxes, offsets[passed], inclusive=1)
        kept = nms_of_smaller(boxes, candidates.scores, candidates.images, FACE_NMS)
        of_image = candidates.images[kept]
        return [
            Faces(boxes[mine], candidates.scores[mine], landmarks[mine], candidates.boxes[mine])
            for mine in (kept[of_image == i] for i in range(len(images)))
        ]


def pyramid_scales(height: int, width: int, settings: DetectionSettings) -> list[float]:
    """Scales at which the smallest face is 12 pixels, then ever larger faces are."""
    scale = PNET_CELL / settings.min_face
    side = min(height, width) * scale
    scales = []
    while side >= PNET_CELL:
        scales.append(scale)
        scale *= settings.pyramid_factor
        side *= settings.pyramid_factor
    return scales


def _cells(
    moves: Float32, scores: Float32, scale: float, threshold: float
) -> tuple[Candidates, Float32]:
    """The windows of one level that may be faces, in picture pixels, and their offsets."""
    images, rows, columns = np.nonzero(scores >= threshold)
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    top_left = np.floor((PNET_STRIDE * cells + 1) / np.float32(scale))
    bottom_right = np.floor((PNET_STRIDE * cells + PNET_CELL) / np.float32(scale))
    boxes = np.concatenate([top_left, bottom_right], axis=1)
    candidates = Candidates(boxes, scores[images, rows, columns], images)
    return candidates, moves[images, :, rows, columns]


def _crops(images: Sequence[Image], candidates: Candidates, size: int) -> tuple[Indices, Float32]:
    """The part of each candidate that lies in its picture, resampled; which have such a part."""
    height, width = images[0].shape[:2]
    corners = candidates.boxes.astype(np.int32)  # toward zero, pixels counted from 1
    x1, y1 = np.maximum(corners[:, 0], 1) - 1, np.maximum(corners[:, 1], 1) - 1
    x2, y2 = np.minimum(corners[:, 2], width), np.minimum(corners[:, 3], height)
    inside = np.flatnonzero((x2 > x1) & (y2 > y1))
    crops = np.empty((len(inside), size, size, 3), np.float32)
    for crop, k in zip(crops, inside, strict=True):
        image = images[candidates.images[k]]
        crop[:] = area_resized(image[y1[k] : y2[k], x1[k] : x2[k]], size)
    return inside, crops


def _landmarks(boxes: Float32, points: Float32) -> Float32:
    """``(k, 10)`` shares of the box to ``(k, 5, 2)`` picture pixels."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    x = size[:, :1] * points[:, :5] + boxes[:, :1] - 1
    y = size[:, 1:] * points[:, 5:] + boxes[:, 1:2] - 1
    return np.stack([x, y], axis=2)


def _none() -> Candidates:
    return Candidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))
