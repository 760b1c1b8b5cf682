"""The frames between two key frames, and which faces of the two are the same person's (step 2)."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.types import Faces
from facetrack.media.frame_image import Frame

SAME_FACE = 0.3
"""IoU from which faces of two key frames are one face."""
FASTEST = 0.6
"""Distance that a face may cover in one frame, in face sizes,"""
FARTHEST = 3.0
"""and in a whole interval, for two faces that do not overlap to be one."""
SAME_SIZE = 0.4
"""Absolute logarithm of the ratio of their sizes up to which two such faces may be one."""
NEVER = 1e6
"""Cost of matching faces that cannot be one."""


class Pair(NamedTuple):
    """A face of the first key frame and a face of the last one that may be the same person."""

    first: int
    """Position among the faces of the first key frame."""
    last: int
    is_far: bool
    """Whether the two overlap so little that they may as well be two faces."""


@dataclass
class KeyFrameInterval:
    """Frames ``frames[0]`` to ``frames[-1]``, both of them key frames, and the faces of these
    two."""

    frames: list[Frame]
    first: Faces
    """Of ``frames[0]``."""
    last: Faces
    """Of ``frames[-1]``."""
    pairs: list[Pair] = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = same_faces(self.first, self.last, len(self.frames) - 1)

    @property
    def agrees(self) -> bool:
        """Whether both ends show the same faces, close to where they were."""
        same = len(self.pairs) == len(self.first) == len(self.last)
        return same and not any(pair.is_far for pair in self.pairs)

    @property
    def middle(self) -> int:
        """Position of the frame in the middle."""
        return len(self.frames) // 2

    def halves(self, of_middle: Faces) -> "list[KeyFrameInterval]":
        """Two intervals, with a key frame in the middle that shows these faces."""
        return [
            KeyFrameInterval(self.frames[: self.middle + 1], self.first, of_middle),
            KeyFrameInterval(self.frames[self.middle :], of_middle, self.last),
        ]


def same_faces(first: Faces, last: Faces, frames: int) -> list[Pair]:
    """The pairs of faces that may be one, matched by the Hungarian method.

    Faces that overlap are matched before faces that are only near and of similar size.

    Args:
        first: faces of one key frame.
        last: faces of the other one.
        frames: number of frames from one to the other.
    """
    if not len(first) or not len(last):
        return []
    iou = iou_matrix(first.boxes, last.boxes)
    sizes = [np.sqrt((f.boxes[:, 2:] - f.boxes[:, :2]).prod(axis=1)) for f in (first, last)]
    centres = [(f.boxes[:, 2:] + f.boxes[:, :2]) / 2 for f in (first, last)]
    size = np.sqrt(sizes[0][:, None] * sizes[1])
    distance = np.linalg.norm(centres[0][:, None] - centres[1], axis=2) / size
    growth = np.abs(np.log(sizes[0][:, None] / sizes[1]))
    reachable = (distance < min(FASTEST * frames, FARTHEST)) & (growth < SAME_SIZE)
    overlaps = iou >= SAME_FACE
    possible = overlaps | reachable
    cost = np.where(possible, np.where(overlaps, 1 - iou, 1 + distance), NEVER)
    rows, columns = linear_sum_assignment(cost)
    return [
        Pair(int(r), int(c), bool(iou[r, c] < SAME_FACE))
        for r, c in zip(rows, columns, strict=True)
        if possible[r, c]
    ]
