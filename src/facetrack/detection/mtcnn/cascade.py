"""The MTCNN cascade over a batch of frames: P-Net proposes, R-Net refines, O-Net decides.

Follows facenet-pytorch 2.6's ``MTCNN(keep_all=True)`` (MIT; itself after David Sandberg's facenet)
number by number; tests/test_mtcnn.py holds the two side by side. Knows nothing of engines: the
networks are given.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import Indices, nms, nms_of_smaller, regressed, squared
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32
from facetrack.media.frame_image import CachedRgbImage, FrameImage

PNET_CELL = 12
"""Pixels of a pyramid level that one P-Net output sees."""
PNET_STRIDE = 2
SCALE_NMS = 0.5
FACE_NMS = 0.7
RNET_SIZE = 24
ONET_SIZE = 48
SMALLEST_FACE = 20
SURE = 0.95
"""Score from which one look is as good as another."""
SIDES_OF_SMALLEST = 36
"""Where no smallest face is asked for, it is this share of the frame's shorter side."""


class Parts(NamedTuple):
    """Rectangles of frames."""

    corners: NDArray[np.int32]
    """``(k, 4)`` x1 y1 x2 y2 inside the frame; x2 and y2 are not part of it."""
    images: Indices
    """``(k,)`` which frame of the batch each belongs to."""


class LookNetwork(Protocol):
    """O-Net and R-Net together on some engine, with the resampling before them."""

    def look(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        """O-Net's offsets, landmarks and scores as ``Networks.decide`` has them, and R-Net's scores
        for the same parts."""
        ...


class Networks(LookNetwork, Protocol):
    """The three networks on some engine, with the resampling before them."""

    def propose(
        self, images: Sequence[FrameImage], sizes: tuple[tuple[int, int], ...]
    ) -> list[list[Float32]]:
        """For each frame, and of it for each level, offsets ``(1, 4, y, x)``, scores
        ``(1, y, x)``: first level's offsets, its scores, second level's offsets, ..."""
        ...

    def refine(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        """R-Net on 24x24 crops: offsets ``(k, 4)`` and scores ``(k,)``."""
        ...

    def decide(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32]:
        """O-Net on 48x48: offsets, landmarks ``(k, 10)`` (five x, then five y), scores."""
        ...


class Candidates(NamedTuple):
    """Windows that may hold a face, ``n`` of all frames together."""

    boxes: Float32
    scores: Float32
    images: Indices
    """Which frame of the batch each belongs to."""

    def pick(self, which: Indices | NDArray[np.bool_]) -> "Candidates":
        """The windows at these positions, in their order."""
        return Candidates(self.boxes[which], self.scores[which], self.images[which])


class CascadeConfig(NamedTuple):
    """How many windows go on to the next network."""

    pnet_threshold: float
    """P-Net score from which a window is a candidate, unless the settings name one."""
    nms: float
    """IoU of two candidates from which the weaker one goes."""
    second_look: bool
    """Whether O-Net looks again, from where it found a face: of few candidates the best one may
    be far from the face's middle, and its box then too small or too large."""


EXACT = CascadeConfig(pnet_threshold=0.6, nms=0.7, second_look=False)
"""Of facenet-pytorch."""


class Cascade:
    """Detects faces with three networks."""

    def __init__(
        self,
        networks: Networks,
        settings: DetectionSettings,
        config: CascadeConfig,
    ) -> None:
        self._networks = networks
        self._settings = settings
        self._threshold = settings.pnet_threshold or config.pnet_threshold
        self._nms = config.nms
        self._second_look = config.second_look

    def detect(self, images: Sequence[FrameImage]) -> list[Faces]:
        """Faces of each frame, best score first; all frames of one size."""
        opened = [CachedRgbImage(p) for p in images]
        faces, of_image = self._decide(opened, self._refine(opened, self._propose(opened)))
        if self._second_look and len(faces):
            faces = self._looked_again(opened, of_image, faces)
        return [faces.pick(np.flatnonzero(of_image == i)) for i in range(len(opened))]

    def refine(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of squares where faces are expected, one row a square, in order.

        ``anchors``: ``(n, 4)``; ``of_image``: each one's frame. A square that lies wholly
        outside its frame, or in which R-Net sees no face, has score 0.
        """
        return refined(self._networks, self._settings, images, of_image, anchors)

    def _propose(self, images: Sequence[FrameImage]) -> Candidates:
        height, width = images[0].shape
        scales = pyramid_scales(height, width, self._settings)
        if not scales:
            return _none()
        sizes = tuple((int(height * s + 1), int(width * s + 1)) for s in scales)
        found = [
            self._proposed(levels, scales, i)
            for i, levels in enumerate(self._networks.propose(images, sizes))
        ]
        return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _proposed(self, levels: list[Float32], scales: list[float], image: int) -> Candidates:
        """The squares that P-Net proposes in one frame."""
        boxes, scores, moves = [], [], []
        for scale, offsets, score in zip(scales, levels[::2], levels[1::2], strict=True):
            cells = np.nonzero(score[0] >= self._threshold)
            windows, surely = _windows(cells[0], cells[1], scale), score[0][cells]
            kept = nms(windows, surely, SCALE_NMS)
            boxes.append(windows[kept])
            scores.append(surely[kept])
            moves.append(offsets[0][:, *cells].T[kept])
        windows, surely = np.concatenate(boxes), np.concatenate(scores)
        kept = nms(windows, surely, self._nms)
        moved = regressed(windows[kept], np.concatenate(moves)[kept], inclusive=0)
        return Candidates(squared(moved), surely[kept], np.full(len(kept), image, np.intp))

    def _refine(self, images: Sequence[FrameImage], candidates: Candidates) -> Candidates:
        inside, parts = _parts(images, candidates)
        candidates = candidates.pick(inside)
        if not len(inside):
            return _none()
        offsets, scores = self._networks.refine(images, parts)
        passed = scores > self._settings.rnet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        kept = _each_image(nms, candidates.boxes, candidates, self._nms)
        candidates = candidates.pick(kept)
        moved = regressed(candidates.boxes, offsets[passed][kept], inclusive=1)
        return candidates._replace(boxes=squared(moved))

    def _decide(
        self, images: Sequence[FrameImage], candidates: Candidates
    ) -> tuple[Faces, Indices]:
        """The faces of all frames, best score of each first; the frame of each face."""
        inside, parts = _parts(images, candidates)
        candidates = candidates.pick(inside)
        if not len(inside):
            return Faces.none(), np.empty(0, np.intp)
        offsets, points, scores = self._networks.decide(images, parts)
        passed = scores > self._settings.onet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        landmarks = _landmarks(candidates.boxes, points[passed])
        boxes = regressed(candidates.boxes, offsets[passed], inclusive=1)
        faces = Faces.of_one_source(
            boxes, candidates.scores, landmarks, candidates.boxes, "detected"
        )
        kept = _each_image(nms_of_smaller, boxes, candidates, FACE_NMS)
        return faces.pick(kept), candidates.images[kept]

    def _looked_again(self, images: Sequence[FrameImage], of_image: Indices, faces: Faces) -> Faces:
        """The same faces, from a look that had each in its middle if that one is as sure."""
        again = self.refine(images, of_image, squared(faces.boxes))
        better = again.scores >= np.minimum(faces.scores, SURE)
        return Faces.of_one_source(
            np.where(better[:, None], again.boxes, faces.boxes),
            faces.scores,
            np.where(better[:, None, None], again.landmarks, faces.landmarks),
            np.where(better[:, None], again.anchors, faces.anchors),
            "detected",
        )


def refined(
    networks: LookNetwork,
    settings: DetectionSettings,
    images: Sequence[FrameImage],
    of_image: Indices,
    anchors: Float32,
) -> Faces:
    """See ``Cascade.refine``."""
    proposed = Candidates(anchors, np.zeros(len(anchors), np.float32), of_image)
    inside, parts = _parts(images, proposed)
    out, scores = anchors.copy(), proposed.scores
    landmarks = np.zeros((len(anchors), 5, 2), np.float32)
    if len(inside):
        offsets, points, surely, likely = networks.look(images, parts)
        squares = anchors[inside]
        out[inside] = regressed(squares, offsets, inclusive=1)
        landmarks[inside] = _landmarks(squares, points)
        scores[inside] = np.where(likely > settings.rnet_threshold, surely, 0)
    return Faces.of_one_source(out, scores, landmarks, anchors, "refined")


def pyramid_scales(height: int, width: int, settings: DetectionSettings) -> list[float]:
    """Scales at which the smallest face is 12 pixels, then ever larger faces are.

    Args:
        height: of the frame in pixels.
        width: likewise.
        settings: the smallest face, and the ratio of one level to the next.
    """
    side: float = min(height, width)
    smallest = settings.min_face or max(SMALLEST_FACE, side / SIDES_OF_SMALLEST)
    scale = PNET_CELL / smallest
    side *= scale
    scales = []
    while side >= PNET_CELL:
        scales.append(scale)
        scale *= settings.pyramid_factor
        side *= settings.pyramid_factor
    return scales


def _windows(rows: Indices, columns: Indices, scale: float) -> Float32:
    """What these cells of a level's output saw, in frame pixels."""
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    top_left = np.floor((PNET_STRIDE * cells + 1) / np.float32(scale))
    bottom_right = np.floor((PNET_STRIDE * cells + PNET_CELL) / np.float32(scale))
    return np.concatenate([top_left, bottom_right], axis=1)


def _each_image(
    suppress: Callable[[Float32, Float32, float], Indices],
    boxes: Float32,
    candidates: Candidates,
    threshold: float,
) -> Indices:
    """Positions that a suppression keeps, done in each frame alone."""
    kept = [np.empty(0, np.intp)]
    for image in np.unique(candidates.images):
        mine = np.flatnonzero(candidates.images == image)
        kept.append(mine[suppress(boxes[mine], candidates.scores[mine], threshold)])
    return np.concatenate(kept)


def _parts(images: Sequence[FrameImage], candidates: Candidates) -> tuple[Indices, Parts]:
    """The part of each candidate that lies in its frame; which have such a part."""
    height, width = images[0].shape
    corners = candidates.boxes.astype(np.int32)  # toward zero, pixels counted from 1
    corners[:, :2] = np.maximum(corners[:, :2], 1) - 1
    corners[:, 2:] = np.minimum(corners[:, 2:], [width, height])
    inside = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
    return inside, Parts(corners[inside], candidates.images[inside])


def _landmarks(boxes: Float32, points: Float32) -> Float32:
    """``(k, 10)`` shares of the box to ``(k, 5, 2)`` frame pixels."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    x = size[:, :1] * points[:, :5] + boxes[:, :1] - 1
    y = size[:, 1:] * points[:, 5:] + boxes[:, 1:2] - 1
    return np.stack([x, y], axis=2)


def _none() -> Candidates:
    return Candidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))
