"""A run of frames between two key frames, and which faces of its ends are the same."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.types import Faces
from facetrack.media.frame_image import Frame

SAME_FACE = 0.3
"""IoU from which a face of one key frame is taken for a face of the next."""
FASTEST, FARTHEST = 0.6, 3.0
"""How far a face may go in a frame, and in all, in its own sizes, to be looked for on the way."""
SAME_SIZE = 0.4
"""Logarithm of the ratio of sizes below which faces apart may be the same."""
NEVER = 1e6


class Pair(NamedTuple):
    """Faces of the two ends that may be one."""

    first: int
    last: int
    apart: bool
    """Too far from each other to be one for sure."""


@dataclass
class KeyFrameInterval:
    """Frames ``frames[0]`` to ``frames[-1]``, key frames both, and the faces of these two."""

    frames: list[Frame]
    first: Faces
    last: Faces
    pairs: list[Pair] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = same_faces(self.first, self.last, len(self.frames) - 1)

    @property
    def agrees(self) -> bool:
        """Whether its ends show the same faces, hardly moved."""
        same = len(self.pairs) == len(self.first) == len(self.last)
        return same and not any(pair.apart for pair in self.pairs)

    @property
    def middle(self) -> int:
        return len(self.frames) // 2

    def halves(self, of_middle: Faces) -> "list[KeyFrameInterval]":
        """Two stretches, with another key frame in the middle."""
        return [
            KeyFrameInterval(self.frames[: self.middle + 1], self.first, of_middle),
            KeyFrameInterval(self.frames[self.middle :], of_middle, self.last),
        ]


def same_faces(first: Faces, last: Faces, frames: int) -> list[Pair]:
    """Positions of the faces that may be the same in both: those that overlap, or else those of
    one size at a distance that a face can go in so many frames."""
    if not len(first) or not len(last):
        return []
    iou = iou_matrix(first.boxes, last.boxes)
    sizes = [np.sqrt((f.boxes[:, 2:] - f.boxes[:, :2]).prod(axis=1)) for f in (first, last)]
    centres = [(f.boxes[:, 2:] + f.boxes[:, :2]) / 2 for f in (first, last)]
    size = np.sqrt(sizes[0][:, None] * sizes[1])
    way = np.linalg.norm(centres[0][:, None] - centres[1], axis=2) / size
    grown = np.abs(np.log(sizes[0][:, None] / sizes[1]))
    reachable = (way < min(FASTEST * frames, FARTHEST)) & (grown < SAME_SIZE)
    possible = (iou >= SAME_FACE) | reachable
    cost = np.where(possible, np.where(iou >= SAME_FACE, 1 - iou, 1 + way), NEVER)
    rows, columns = linear_sum_assignment(cost)
    return [
        Pair(int(r), int(c), bool(iou[r, c] < SAME_FACE))
        for r, c in zip(rows, columns, strict=True)
        if possible[r, c]
    ]
