"""Where the faces of the open tracks were last and how they move: one row a track, for all at once.

A frame with six faces would otherwise cost six times as many steps of the interpreter.
"""

import numpy as np
from numpy.typing import NDArray

from facetrack.types import Float32

TRUSTED_FRAMES = 3
"""A face that was lost is not thrown far: its motion is trusted for so many frames only."""


class Motion:
    """Rows are named by their positions, which ``keep`` closes up."""

    def __init__(self) -> None:
        self.frames: NDArray[np.int64] = np.empty(0, np.int64)
        """``(n,)`` in which each face was seen last."""
        self._boxes: Float32 = np.empty((0, 4), np.float32)
        self._velocities: Float32 = np.empty((0, 4), np.float32)
        """Change of the box a frame, smoothed."""

    def predicted(self, frame: int) -> Float32:
        """``(n, 4)`` boxes where the faces should be at ``frame``, moving on as they did."""
        ahead = np.minimum(frame - self.frames, TRUSTED_FRAMES).astype(np.float32)
        return np.asarray(self._boxes + self._velocities * ahead[:, None])

    def put(self, row: int, frame: int, box: Float32) -> None:
        """Says where one was before it is seen again."""
        self.frames[row], self._boxes[row] = frame, box

    def see(self, rows: NDArray[np.intp], frame: int, boxes: Float32) -> None:
        """These were seen again, at ``(len(rows), 4)`` boxes."""
        passed = (frame - self.frames[rows]).astype(np.float32)
        step = (boxes - self._boxes[rows]) / passed[:, None]
        self._velocities[rows] = np.float32(0.5) * (self._velocities[rows] + step)
        self._boxes[rows] = boxes
        self.frames[rows] = frame

    def begin(self, frame: int, boxes: Float32) -> None:
        """``(n, 4)`` more, after the others, at rest."""
        self.frames = np.concatenate([self.frames, np.full(len(boxes), frame, np.int64)])
        self._boxes = np.concatenate([self._boxes, boxes])
        self._velocities = np.concatenate([self._velocities, np.zeros_like(boxes)])

    def keep(self, which: NDArray[np.bool_]) -> None:
        self.frames = self.frames[which]
        self._boxes = self._boxes[which]
        self._velocities = self._velocities[which]
