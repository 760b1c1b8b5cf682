"""The motion model of tracks: a box moves on at its smoothed velocity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

TRUSTED_FRAMES = 3
"""Most frames for which a box is moved on: a lost face rarely keeps its direction for longer."""
SMOOTHING = np.float32(0.5)
"""Weight of the newest step in the velocity."""

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass
class Motion:
    """The state of all open tracks after a frame, one row a track."""

    frames: Int64
    """``(n,)`` index of the frame in which each face was detected last."""
    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in that frame, in pixels."""
    velocities: Float32
    """``(n, 4)`` smoothed change of the box per frame, in pixels; 0 for a new track."""

    @classmethod
    def none(cls) -> "Motion":
        """No track is open."""
        return cls(np.empty(0, np.int64), *np.empty((2, 0, 4), np.float32))

    def frames_lost(self, frame: int) -> Int64:
        """``(n,)`` frames before ``frame`` in which each track has no face; 0: it has one in the
        frame before."""
        return np.asarray(frame - 1 - self.frames)

    def predicted(self, frame: int) -> Float32:
        """``(n, 4)`` where the boxes should be in ``frame``."""
        return moved_on(self.boxes, self.velocities, frame - self.frames)

    def correct(self, frame: int, tracks: NDArray[np.intp], boxes: Float32) -> None:
        """Updates some tracks with their boxes in ``frame``.

        The velocity becomes the mean of what it was and of the last step. A track that was lost
        has moved evenly since: its last step is one frame's share of the way.

        Args:
            frame: index of the frame.
            tracks: ``(k,)`` rows.
            boxes: ``(k, 4)`` their boxes.
        """
        lost, last = self.frames_lost(frame)[tracks], self.boxes[tracks]
        share = (lost / (lost + 1)).astype(np.float32)
        before = last + share[:, None] * (boxes - last)
        self.velocities[tracks] = SMOOTHING * (self.velocities[tracks] + (boxes - before))
        self.boxes[tracks] = boxes
        self.frames[tracks] = frame

    def add(self, frame: int, boxes: Float32) -> None:
        """Appends tracks that begin in ``frame`` with these ``(k, 4)`` boxes, at rest."""
        self.frames = np.concatenate([self.frames, np.full(len(boxes), frame)])
        self.boxes = np.concatenate([self.boxes, boxes])
        self.velocities = np.concatenate([self.velocities, np.zeros_like(boxes)])

    def keep(self, which: Bools) -> None:
        """Removes the tracks for which ``which`` ``(n,)`` is false."""
        self.frames, self.boxes = self.frames[which], self.boxes[which]
        self.velocities = self.velocities[which]


def moved_on(boxes: Float32, velocities: Float32, frames: Int64) -> Float32:
    """``(..., 4)`` boxes, ``(...)`` frames later."""
    ahead = np.minimum(frames, TRUSTED_FRAMES).astype(np.float32)
    return np.asarray(boxes + velocities * ahead[..., None])
