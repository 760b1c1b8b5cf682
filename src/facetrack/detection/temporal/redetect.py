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
from facetrack.media.frame_image import Picture

SHIFT = 0.06
"""How far around an expected face is looked, of its size."""
TRUST = 0.3
"""Of the score that searching gained, how much counts."""
STAYS_PUT = 0.4
"""IoU with its proposal that a refined box must have, or it has slid onto something else."""


class Refines(Protocol):
    """What looking needs of a detector."""

    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        """What the network makes of ``(n, 4)`` squares in ``pictures[of_picture]``, in order."""
        ...


class Sighting(NamedTuple):
    """A face of one frame."""

    box: Float32
    score: float
    landmarks: Float32
    anchor: Float32
    """``(4,)`` the square that O-Net saw, or would have seen."""
    source: str

    def towards(self, other: "Sighting", share: float) -> "Sighting":
        """The face on the straight way to another sighting, 0: here, 1: there."""
        a, b = np.float32(1 - share), np.float32(share)
        return Sighting(
            a * self.box + b * other.box,
            (1 - share) * self.score + share * other.score,
            a * self.landmarks + b * other.landmarks,
            a * self.anchor + b * other.anchor,
            "interpolated",
        )

    def moved(self, by: Float32) -> "Sighting":
        """The same face, its box and anchor moved by ``(4,)`` pixels."""
        return self._replace(box=self.box + by, anchor=self.anchor + by)


class Refiner:
    """Asks O-Net about expected faces; counts the looks."""

    def __init__(self, engine: Refines, threshold: float) -> None:
        self._engine = engine
        self._threshold = threshold
        self.looks = 0

    def refined(
        self, pictures: Sequence[Picture], expected: Sequence[Sighting]
    ) -> list[Sighting | None]:
        """What O-Net makes of each expected face, in its picture; None: no face is there."""
        if not expected:
            return []
        best = self.looked(pictures, expected)
        self._look_at_unsure(pictures, best, lambda i: squared(best[i].box[None]))
        self._look_at_unsure(pictures, best, lambda i: _around(expected[i]))
        found = np.stack([s.box for s in best])
        boxes = np.stack([e.box for e in expected])
        stays = np.diagonal(iou_matrix(found, boxes)) >= STAYS_PUT
        return [
            s if s.score >= self._threshold and ok else None
            for s, ok in zip(best, stays, strict=True)
        ]

    def _look_at_unsure(
        self,
        pictures: Sequence[Picture],
        best: list[Sighting],
        places: Callable[[int], Float32],
    ) -> None:
        """Betters the sightings that are unsure; ``places``: ``(k, 4)`` squares for the i-th."""
        unsure = [i for i, s in enumerate(best) if s.score < SURE]
        if not unsure:
            return
        squares = [places(i) for i in unsure]
        each = len(squares[0])
        looks = self._look(pictures, np.repeat(unsure, each), np.concatenate(squares))
        for k, i in enumerate(unsure):
            best[i] = _surest(best[i], looks[k * each : (k + 1) * each])

    def looked(self, pictures: Sequence[Picture], expected: Sequence[Sighting]) -> list[Sighting]:
        """One look at each expected face, whatever it shows."""
        if not expected:
            return []
        return self._look(
            pictures, np.arange(len(pictures)), np.stack([e.anchor for e in expected])
        )

    def _look(
        self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32
    ) -> list[Sighting]:
        self.looks += len(anchors)
        return sightings(self._engine.refine(pictures, of_picture, anchors))


def sightings(faces: Faces) -> list[Sighting]:
    """One row each."""
    columns = (faces.boxes, faces.scores.tolist(), faces.landmarks, faces.anchors, faces.sources)
    return [Sighting(*row) for row in zip(*columns, strict=True)]


def _surest(first: Sighting, others: Sequence[Sighting]) -> Sighting:
    """The best look, its score drawn towards the first one's: searching finds high scores."""
    best = max([first, *others], key=lambda s: s.score)
    return best._replace(score=first.score + TRUST * (best.score - first.score))


def _around(expected: Sighting) -> Float32:
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
