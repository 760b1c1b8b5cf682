"""The MTCNN cascade over a batch of frames, as an algorithm over three networks.

1. P-Net runs over a pyramid of the frame. Each of its outputs is a window that may hold a face.
   Overlapping windows are suppressed, first in each level, then over all levels; the rest are moved
   by P-Net's offsets and made square.
2. R-Net scores each square (24x24 crops). Weak squares are dropped, overlapping ones suppressed,
   the rest moved by R-Net's offsets and made square.
3. O-Net scores each square (48x48 crops), places the box and five landmarks. Overlapping boxes are
   suppressed.

``redetect`` skips step 1: R-Net and O-Net score squares where a face is expected.

The networks come as ``MtcnnNetworks``; the module knows no inference engine. It follows
facenet-pytorch 2.6's ``MTCNN(keep_all=True)`` (MIT; after David Sandberg's facenet) number by
number (tests/detection/test_mtcnn.py). ``mtcnn.cuda.cascade`` is the same algorithm, fused for CUDA
(tests/contract/test_detector.py compares the two).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import Indices, nms, nms_of_smaller, regressed, squared
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32
from facetrack.detection.detector import SURE
from facetrack.media.frame_image import CachedRgbImage, FrameImage

PNET_CELL = 12
"""Side in pixels of the window that one P-Net output sees in a pyramid level."""
PNET_STRIDE = 2
"""Pixels from one window to the next."""
SCALE_NMS = 0.5
"""IoU from which the weaker of two windows of one level is suppressed."""
FACE_NMS = 0.7
"""Intersection over the smaller box from which the weaker of two faces is suppressed."""
RNET_SIZE = 24
"""Side in pixels of R-Net's crops."""
ONET_SIZE = 48
"""Side in pixels of O-Net's crops."""
SMALLEST_FACE = 20
"""Side in pixels of the smallest face, unless the settings name one,"""
SIDES_OF_SMALLEST = 36
"""or in large frames the frame's shorter side divided by this."""

Suppression = Callable[[Float32, Float32, float], Indices]
"""``core.boxes.nms`` or ``nms_of_smaller``."""


class Parts(NamedTuple):
    """Rectangles of frames."""

    corners: NDArray[np.int32]
    """``(k, 4)`` x1 y1 x2 y2 in pixels, inside the frame; x2 and y2 are exclusive."""
    images: Indices
    """``(k,)`` position of each one's frame in the batch."""


class RnetOnet(Protocol):
    """R-Net and O-Net on an inference engine, and the resampling before them."""

    def onet_and_rnet(
        self, images: Sequence[FrameImage], parts: Parts
    ) -> tuple[Float32, Float32, Float32, Float32]:
        """O-Net's offsets, landmarks and scores (see ``MtcnnNetworks.onet``), and R-Net's scores
        ``(k,)`` of the same parts."""
        ...


class MtcnnNetworks(RnetOnet, Protocol):
    """The three networks on an inference engine, and the resampling before them."""

    def pnet(
        self, images: Sequence[FrameImage], sizes: tuple[tuple[int, int], ...]
    ) -> list[list[Float32]]:
        """P-Net on each frame. ``sizes``: height and width of each pyramid level.

        For each frame: the first level's offsets ``(1, 4, y, x)`` and scores ``(1, y, x)``, the
        second level's offsets, its scores, and so on.
        """
        ...

    def rnet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32]:
        """R-Net on 24x24 crops of the parts: offsets ``(k, 4)`` and scores ``(k,)``."""
        ...

    def onet(self, images: Sequence[FrameImage], parts: Parts) -> tuple[Float32, Float32, Float32]:
        """O-Net on 48x48 crops of the parts: offsets ``(k, 4)``, landmarks ``(k, 10)`` (five x,
        then five y, as shares of the square) and scores ``(k,)``."""
        ...


class Candidates(NamedTuple):
    """Squares that may hold a face, of all frames of the batch, ``n`` in all."""

    boxes: Float32
    """``(n, 4)``."""
    scores: Float32
    """``(n,)`` of the network that saw them last."""
    images: Indices
    """``(n,)`` position of each one's frame in the batch."""

    def pick(self, which: Indices | NDArray[np.bool_]) -> "Candidates":
        """The candidates at these positions, in their order."""
        return Candidates(self.boxes[which], self.scores[which], self.images[which])

    @classmethod
    def none(cls) -> "Candidates":
        """No candidate."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))


class CascadeConfig(NamedTuple):
    """How many candidates go on to the next network."""

    pnet_threshold: float
    """P-Net score from which a window is a candidate, unless the settings name one."""
    nms: float
    """IoU from which the weaker of two candidates is suppressed."""
    second_onet_pass: bool
    """Whether O-Net runs once more, on squares centred on the faces that it found. With few
    candidates the best one may be far off the face's centre, and its box too small or too large."""


EXACT = CascadeConfig(pnet_threshold=0.6, nms=0.7, second_onet_pass=False)
"""As facenet-pytorch."""


class Cascade:
    """Detects faces with three networks."""

    def __init__(
        self, networks: MtcnnNetworks, settings: DetectionSettings, config: CascadeConfig
    ) -> None:
        self._networks = networks
        self._settings = settings
        self._threshold = settings.pnet_threshold or config.pnet_threshold
        self._nms = config.nms
        self._second_onet_pass = config.second_onet_pass

    def detect(self, images: Sequence[FrameImage]) -> list[Faces]:
        """The faces of each frame, best score first; all frames have one size."""
        cached = [CachedRgbImage(image) for image in images]
        candidates = self._pnet_step(cached)
        candidates = self._rnet_step(cached, candidates)
        faces, of_image = self._onet_step(cached, candidates)
        if self._second_onet_pass and len(faces):
            faces = self._after_second_pass(cached, of_image, faces)
        return [faces.pick(np.flatnonzero(of_image == i)) for i in range(len(cached))]

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """See ``Redetects.redetect``."""
        return redetect(self._networks, self._settings, images, of_image, anchors)

    def _pnet_step(self, images: Sequence[FrameImage]) -> Candidates:
        """The squares that P-Net proposes."""
        height, width = images[0].shape
        scales = pyramid_scales(height, width, self._settings)
        if not scales:
            return Candidates.none()
        sizes = tuple((int(height * s + 1), int(width * s + 1)) for s in scales)
        outputs = self._networks.pnet(images, sizes)
        found = [self._of_frame(levels, scales, i) for i, levels in enumerate(outputs)]
        return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _of_frame(self, levels: list[Float32], scales: list[float], image: int) -> Candidates:
        """The squares that P-Net proposes in one frame."""
        boxes, scores, offsets = [], [], []
        for scale, of_level, (surface,) in zip(scales, levels[::2], levels[1::2], strict=True):
            cells = np.nonzero(surface >= self._threshold)
            windows, of_windows = _windows(cells[0], cells[1], scale), surface[cells]
            kept = nms(windows, of_windows, SCALE_NMS)
            boxes.append(windows[kept])
            scores.append(of_windows[kept])
            offsets.append(of_level[0][:, *cells].T[kept])
        windows, of_windows = np.concatenate(boxes), np.concatenate(scores)
        kept = nms(windows, of_windows, self._nms)
        moved = regressed(windows[kept], np.concatenate(offsets)[kept], inclusive=0)
        return Candidates(squared(moved), of_windows[kept], np.full(len(kept), image, np.intp))

    def _rnet_step(self, images: Sequence[FrameImage], candidates: Candidates) -> Candidates:
        """The squares that R-Net keeps, moved."""
        inside, parts = _parts(images, candidates)
        candidates = candidates.pick(inside)
        if not len(inside):
            return Candidates.none()
        offsets, scores = self._networks.rnet(images, parts)
        passed = scores > self._settings.rnet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        kept = _suppressed_per_image(nms, candidates.boxes, candidates, self._nms)
        candidates = candidates.pick(kept)
        moved = regressed(candidates.boxes, offsets[passed][kept], inclusive=1)
        return candidates._replace(boxes=squared(moved))

    def _onet_step(
        self, images: Sequence[FrameImage], candidates: Candidates
    ) -> tuple[Faces, Indices]:
        """The faces of all frames, best score of each frame first, and each one's frame."""
        inside, parts = _parts(images, candidates)
        candidates = candidates.pick(inside)
        if not len(inside):
            return Faces.none(), np.empty(0, np.intp)
        offsets, points, scores = self._networks.onet(images, parts)
        passed = scores > self._settings.onet_threshold
        candidates = candidates._replace(scores=scores).pick(passed)
        landmarks = _landmarks(candidates.boxes, points[passed])
        boxes = regressed(candidates.boxes, offsets[passed], inclusive=1)
        anchors = candidates.boxes
        faces = Faces.of_one_source(boxes, candidates.scores, landmarks, anchors, "detected")
        kept = _suppressed_per_image(nms_of_smaller, boxes, candidates, FACE_NMS)
        return faces.pick(kept), candidates.images[kept]

    def _after_second_pass(
        self, images: Sequence[FrameImage], of_image: Indices, faces: Faces
    ) -> Faces:
        """The same faces, each with the box and landmarks of the second pass where that one is at
        least as sure."""
        again = self.redetect(images, of_image, squared(faces.boxes))
        better = again.scores >= np.minimum(faces.scores, SURE)
        return Faces.of_one_source(
            np.where(better[:, None], again.boxes, faces.boxes),
            faces.scores,
            np.where(better[:, None, None], again.landmarks, faces.landmarks),
            np.where(better[:, None], again.anchors, faces.anchors),
            "detected",
        )


def redetect(
    networks: RnetOnet, settings: DetectionSettings, images: Sequence[FrameImage],
    of_image: Indices, anchors: Float32,
) -> Faces:  # fmt: skip
    """See ``Redetects.redetect``. Where R-Net sees no face, the score is 0."""
    candidates = Candidates(anchors, np.zeros(len(anchors), np.float32), of_image)
    inside, parts = _parts(images, candidates)
    boxes, scores = anchors.copy(), candidates.scores
    landmarks = np.zeros((len(anchors), 5, 2), np.float32)
    if len(inside):
        offsets, points, onet_scores, rnet_scores = networks.onet_and_rnet(images, parts)
        squares = anchors[inside]
        boxes[inside] = regressed(squares, offsets, inclusive=1)
        landmarks[inside] = _landmarks(squares, points)
        scores[inside] = np.where(rnet_scores > settings.rnet_threshold, onet_scores, 0)
    return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")


def pyramid_scales(height: int, width: int, settings: DetectionSettings) -> list[float]:
    """Scales of the pyramid of a frame of ``height`` x ``width`` pixels: at the first one the
    smallest face of the settings is 12 pixels high, at each later one a larger face is."""
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
    """``(n, 4)`` the windows of these cells of a level's output, in pixels of the frame."""
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    top_left = np.floor((PNET_STRIDE * cells + 1) / np.float32(scale))
    bottom_right = np.floor((PNET_STRIDE * cells + PNET_CELL) / np.float32(scale))
    return np.concatenate([top_left, bottom_right], axis=1)


def _suppressed_per_image(
    suppress: Suppression, boxes: Float32, candidates: Candidates, threshold: float
) -> Indices:
    """Positions that non-maximum suppression keeps; each frame is suppressed by itself."""
    kept = [np.empty(0, np.intp)]
    for image in np.unique(candidates.images):
        of_image = np.flatnonzero(candidates.images == image)
        kept.append(of_image[suppress(boxes[of_image], candidates.scores[of_image], threshold)])
    return np.concatenate(kept)


def _parts(images: Sequence[FrameImage], candidates: Candidates) -> tuple[Indices, Parts]:
    """Positions of the candidates that lie at least partly inside their frame, and those parts."""
    height, width = images[0].shape
    corners = candidates.boxes.astype(np.int32)  # rounded toward zero; pixels are counted from 1
    corners[:, :2] = np.maximum(corners[:, :2], 1) - 1
    corners[:, 2:] = np.minimum(corners[:, 2:], [width, height])
    inside = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
    return inside, Parts(corners[inside], candidates.images[inside])


def _landmarks(squares: Float32, points: Float32) -> Float32:
    """O-Net's ``(k, 10)`` shares of squares to ``(k, 5, 2)`` pixels of the frame."""
    size = squares[:, 2:] - squares[:, :2] + 1
    x = size[:, :1] * points[:, :5] + squares[:, :1] - 1
    y = size[:, 1:] * points[:, 5:] + squares[:, 1:2] - 1
    return np.stack([x, y], axis=2)
