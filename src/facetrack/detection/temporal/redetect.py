"""Redetection: runs R-Net and O-Net where a face is expected (step 7 of ``frame_detectors``).

O-Net recognises a face that is turned or blurred in some crops and not in others. So where the
first run is not sure, it runs again on the square around the box that it found, then on squares
around the expected place. The best run counts.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from facetrack.core.boxes import Indices, iou, squared
from facetrack.core.types import Faces, Float32
from facetrack.detection.detector import SURE, Redetects
from facetrack.media.frame_image import FrameImage

SHIFT = 0.06
"""How far the squares around an expected face are moved or scaled, in sizes of the face."""
TRUST = 0.3
"""Share of the score gained by further runs that counts: the best of several runs is too high."""
STAYS_PUT = 0.4
"""IoU with the expected box that a redetected box must have; else it is another face's."""


class Observation(NamedTuple):
    """A face in one frame: one row of ``Faces``."""

    box: Float32
    """``(4,)`` x1 y1 x2 y2 in pixels."""
    score: float
    landmarks: Float32
    """``(5, 2)``."""
    anchor: Float32
    """``(4,)`` the square that O-Net took, or would have taken."""
    source: str

    def towards(self, other: "Observation", share: float) -> "Observation":
        """The face on the straight line to another observation; ``share`` 0: here, 1: there."""
        a, b = np.float32(1 - share), np.float32(share)
        return Observation(
            a * self.box + b * other.box,
            (1 - share) * self.score + share * other.score,
            a * self.landmarks + b * other.landmarks,
            a * self.anchor + b * other.anchor,
            "interpolated",
        )

    def moved(self, by: Float32) -> "Observation":
        """The same face, with ``(4,)`` pixels added to its box and anchor."""
        return self._replace(box=self.box + by, anchor=self.anchor + by)


class Redetector:
    """Redetects expected faces, and counts the squares that the networks saw."""

    def __init__(self, detector: Redetects, threshold: float) -> None:
        """``threshold``: O-Net score from which a face is there."""
        self._detector = detector
        self._threshold = threshold
        self.redetections = 0

    def redetected(
        self, images: Sequence[FrameImage], expected: Sequence[Observation]
    ) -> list[Observation | None]:
        """Each expected face as it is found in its frame; None: it is not there."""
        if not expected:
            return []
        best = self.run_once(images, expected)
        self._run_again(images, best, lambda i: squared(best[i].box[None]))
        self._run_again(images, best, lambda i: _squares_around(expected[i]))
        found = np.stack([s.box for s in best])
        boxes = np.stack([e.box for e in expected])
        stays = iou(found, boxes) >= STAYS_PUT
        return [
            s if s.score >= self._threshold and ok else None
            for s, ok in zip(best, stays, strict=True)
        ]

    def run_once(
        self, images: Sequence[FrameImage], expected: Sequence[Observation]
    ) -> list[Observation]:
        """One run on each expected face's anchor, whatever its score."""
        if not expected:
            return []
        return self._run(images, np.arange(len(images)), np.stack([e.anchor for e in expected]))

    def _run_again(
        self,
        images: Sequence[FrameImage],
        best: list[Observation],
        squares_of: Callable[[int], Float32],
    ) -> None:
        """Replaces the observations in ``best`` that are not sure by better ones.

        ``squares_of``: gives ``(k, 4)`` squares for the i-th observation.
        """
        unsure = [i for i, s in enumerate(best) if s.score < SURE]
        if not unsure:
            return
        squares = [squares_of(i) for i in unsure]
        each = len(squares[0])
        found = self._run(images, np.repeat(unsure, each), np.concatenate(squares))
        for k, i in enumerate(unsure):
            best[i] = _surest(best[i], found[k * each : (k + 1) * each])

    def _run(
        self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32
    ) -> list[Observation]:
        self.redetections += len(anchors)
        return observations(self._detector.redetect(images, of_image, anchors))


def observations(faces: Faces) -> list[Observation]:
    """One observation for each face."""
    columns = (faces.boxes, faces.scores.tolist(), faces.landmarks, faces.anchors, faces.sources)
    return [Observation(*row) for row in zip(*columns, strict=True)]


def _surest(first: Observation, others: Sequence[Observation]) -> Observation:
    """The observation with the best score. ``TRUST`` of what it gained over ``first`` counts."""
    best = max([first, *others], key=lambda s: s.score)
    return best._replace(score=first.score + TRUST * (best.score - first.score))


def _squares_around(expected: Observation) -> Float32:
    """``(6, 4)`` squares near an expected face: right, left, down, up, smaller, larger."""
    d = np.float32(SHIFT) * (expected.anchor[2] - expected.anchor[0])
    moves = np.array(
        [
            [d, 0, d, 0],
            [-d, 0, -d, 0],
            [0, d, 0, d],
            [0, -d, 0, -d],
            [d, d, -d, -d],
            [-d, -d, d, d],
        ],
        np.float32,
    )
    return np.asarray(expected.anchor + moves, np.float32)
