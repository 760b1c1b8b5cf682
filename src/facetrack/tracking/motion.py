"""Where the faces of the open tracks were last and how they move, for all tracks and many frames
at once.

A frame with six faces would otherwise cost hundreds of steps of the interpreter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32

TRUSTED_FRAMES = 3
"""A face that was lost is not thrown far: its motion is trusted for so many frames only."""
LONGEST_COURSE = 64
"""Frames: velocities are summed up in units that double from frame to frame."""

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Motion:
    """One row a track, between two frames."""

    frames: Int64
    """``(n,)`` in which each face was seen last."""
    boxes: Float32
    """``(n, 4)`` where it was then."""
    velocities: Float32
    """``(n, 4)`` change of the box a frame, smoothed; a track begins at rest."""

    @classmethod
    def of_none(cls) -> "Motion":
        """No track is open."""
        return cls(np.empty(0, np.int64), *np.empty((2, 0, 4), np.float32))

    def predicted(self, frame: int) -> Float32:
        """``(n, 4)`` boxes where the faces should be at ``frame``."""
        return moved_on(self.boxes, self.velocities, frame - self.frames)


def moved_on(boxes: Float32, velocities: Float32, frames: Int64) -> Float32:
    """``(..., 4)`` boxes so many frames later."""
    ahead = np.minimum(frames, TRUSTED_FRAMES).astype(np.float32)
    return np.asarray(boxes + velocities * ahead[..., None])


class MotionHistory:
    """What the motion is before each of some frames, and after the last one, given whose the faces
    in them are.

    When a face is seen again its velocity becomes the mean of what it was and of the last step.
    One who was lost has come straight to where it is, by as many steps as frames.
    """

    def __init__(self, start: Motion, frames: Int64, at: Int64, tracks: Int64, boxes: Float32):
        """
        Args:
            start: before the first frame, of the first tracks.
            frames: ``(f,)`` their indices, at most ``LONGEST_COURSE``.
            at: ``(k,)`` position of each face's frame.
            tracks: ``(k,)`` each face's track; new ones count on from those of ``start``.
            boxes: ``(k, 4)`` of the faces.
        """
        known = len(start.frames)
        every = np.arange(max(known, int(tracks.max(initial=-1)) + 1))
        shape = (1 + len(frames), len(every))
        seen = np.zeros(shape, bool)
        seen[0, :known] = seen[at + 1, tracks] = True
        self.begun: Bools = np.logical_or.accumulate(seen)
        """``(f + 1, n)`` whether each track has begun before each frame; so are all of these."""
        last = np.maximum.accumulate(np.where(seen, np.arange(shape[0])[:, None], 0))
        index = np.empty(shape, np.int64)
        index[0, :known], index[0, known:], index[1:] = start.frames, -1, frames[:, None]
        self.frames: Int64 = index[last, every]
        placed = np.zeros((*shape, 4), np.float32)
        placed[0, :known], placed[at + 1, tracks] = start.boxes, boxes
        self.boxes: Float32 = placed[last, every]
        self.away: Int64 = frames[:, None] - 1 - self.frames[:-1]
        """``(f, n)`` frames before each one for which each track was lost."""
        goes_on = seen[1:] & self.begun[:-1]
        self.velocities = self._smoothed(start.velocities, goes_on)
        self.predicted: Float32 = moved_on(self.boxes[:-1], self.velocities[:-1], self.away + 1)
        """``(f, n, 4)`` as ``Motion.predicted``."""

    def _smoothed(self, start: Float32, goes_on: Bools) -> Float32:
        """``v = (v + step) / 2`` wherever ``goes_on``, as a plain sum: of ``v`` in a unit that is
        halved whenever ``v`` is. Multiplied by powers of two, each sum is rounded as it was."""
        share = np.where(goes_on, self.away / (self.away + 1), 0).astype(np.float32)
        before = self.boxes[:-1] + share[..., None] * (self.boxes[1:] - self.boxes[:-1])
        steps = np.where(goes_on[..., None], self.boxes[1:] - before, np.float32(0))
        units = np.ones(self.begun.shape, np.float32)
        units[1:] = np.ldexp(units[1:], goes_on.cumsum(axis=0))
        sums = np.zeros((*self.begun.shape, 4), np.float32)
        sums[0, : len(start)] = start
        sums[1:] = steps * units[:-1, :, None]
        return np.asarray(np.add.accumulate(sums) / units[..., None])

    def after(self, frames: int, which: Bools) -> Motion:
        """After so many of the frames, of ``(n,)`` some of the tracks."""
        return Motion(
            self.frames[frames, which], self.boxes[frames, which], self.velocities[frames, which]
        )
