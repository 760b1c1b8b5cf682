"""Looks for faces where they are expected: R-Net and O-Net, no proposals.

A face that is seen from the side or blurred is known from some places and not from others; where
the first look is unsure, it is looked at from where that one saw it, then from the places around,
and the surest look counts.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from facetrack.core.boxes import Indices, iou_matrix, squared
from facetrack.core.types import Faces, Float32
from facetrack.detection.mtcnn.cascade import SURE
from facetrack.media.frame_image import FrameImage

SHIFT = 0.06
"""How far around an expected face is looked, of its size."""
TRUST = 0.3
"""Of the score that searching gained, how much counts."""
STAYS_PUT = 0.4
"""IoU with its proposal that a refined box must have, or it has slid onto something else."""


class Redetects(Protocol):
    """What looking needs of a detector."""

    def refine(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """What the network makes of ``(n, 4)`` squares in ``images[of_image]``, in order."""
        ...


class Observation(NamedTuple):
    """A face of one frame."""

    box: Float32
    score: float
    landmarks: Float32
    anchor: Float32
    """``(4,)`` the square that O-Net saw, or would have seen."""
    source: str

    def towards(self, other: "Observation", share: float) -> "Observation":
        """The face on the straight way to another sighting, 0: here, 1: there."""
        a, b = np.float32(1 - share), np.float32(share)
        return Observation(
            a * self.box + b * other.box,
            (1 - share) * self.score + share * other.score,
            a * self.landmarks + b * other.landmarks,
            a * self.anchor + b * other.anchor,
            "interpolated",
        )

    def moved(self, by: Float32) -> "Observation":
        """The same face, its box and anchor moved by ``(4,)`` pixels."""
        return self._replace(box=self.box + by, anchor=self.anchor + by)


class Redetector:
    """Asks O-Net about expected faces; counts the looks."""

    def __init__(self, engine: Redetects, threshold: float) -> None:
        self._engine = engine
        self._threshold = threshold
        self.looks = 0

    def refined(
        self, images: Sequence[FrameImage], expected: Sequence[Observation]
    ) -> list[Observation | None]:
        """What O-Net makes of each expected face, in its frame; None: no face is there."""
        if not expected:
            return []
        best = self.looked(images, expected)
        self._look_at_unsure(images, best, lambda i: squared(best[i].box[None]))
        self._look_at_unsure(images, best, lambda i: _around(expected[i]))
        found = np.stack([s.box for s in best])
        boxes = np.stack([e.box for e in expected])
        stays = np.diagonal(iou_matrix(found, boxes)) >= STAYS_PUT
        return [
            s if s.score >= self._threshold and ok else None
            for s, ok in zip(best, stays, strict=True)
        ]

    def _look_at_unsure(
        self,
        images: Sequence[FrameImage],
        best: list[Observation],
        places: Callable[[int], Float32],
    ) -> None:
        """Betters the sightings that are unsure; ``places``: ``(k, 4)`` squares for the i-th."""
        unsure = [i for i, s in enumerate(best) if s.score < SURE]
        if not unsure:
            return
        squares = [places(i) for i in unsure]
        each = len(squares[0])
        looks = self._look(images, np.repeat(unsure, each), np.concatenate(squares))
        for k, i in enumerate(unsure):
            best[i] = _surest(best[i], looks[k * each : (k + 1) * each])

    def looked(
        self, images: Sequence[FrameImage], expected: Sequence[Observation]
    ) -> list[Observation]:
        """One look at each expected face, whatever it shows."""
        if not expected:
            return []
        return self._look(images, np.arange(len(images)), np.stack([e.anchor for e in expected]))

    def _look(
        self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32
    ) -> list[Observation]:
        self.looks += len(anchors)
        return observations(self._engine.refine(images, of_image, anchors))


def observations(faces: Faces) -> list[Observation]:
    """One row each."""
    columns = (faces.boxes, faces.scores.tolist(), faces.landmarks, faces.anchors, faces.sources)
    return [Observation(*row) for row in zip(*columns, strict=True)]


def _surest(first: Observation, others: Sequence[Observation]) -> Observation:
    """The best look, its score drawn towards the first one's: searching finds high scores."""
    best = max([first, *others], key=lambda s: s.score)
    return best._replace(score=first.score + TRUST * (best.score - first.score))


def _around(expected: Observation) -> Float32:
    """``(6, 4)`` squares near an expected face: moved each way, smaller, larger."""
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
