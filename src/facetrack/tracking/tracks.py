"""A track: one face followed from frame to frame inside one shot."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facetrack.media.picture import Cut, Frame
from facetrack.recognition.chips import chip_quality, face_chip, face_cut, pose_quality
from facetrack.types import Float32

CHIP_SPACING = 12
"""Frames that share one kept chip, so that a track's chips show different moments."""

BETTER_POSE = 1.1
"""How much better than a kept chip's pose one must be to take its place."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One row of ``faces.parquet`` before its person is known."""

    frame: int
    time_s: float
    box: Float32
    """``(4,)`` x1 y1 x2 y2."""
    landmarks: Float32
    """``(5, 2)``."""
    score: float
    source: str
    """``detected``, ``refined`` or ``interpolated``."""
    bridged: bool = False
    """Put into a gap in which nothing was seen."""


@dataclass(frozen=True)
class Chip:
    """A face kept for the embedding; made into pixels when it is needed."""

    frame: int
    pose: float
    """Quality as far as box and landmarks tell."""
    cut: Cut

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """``(160, 160, 3)`` uint8 RGB."""
        return face_chip(self.cut)

    @cached_property
    def quality(self) -> float:
        return chip_quality(self.pose, self.pixels)


@dataclass
class Track:
    """Holds at most ``max_chips`` cut faces and one small row a frame."""

    id: int
    max_chips: int
    faces: list[TrackedFace] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)
    velocity: Float32 = field(default_factory=lambda: np.zeros(4, np.float32))
    """Change of the box a frame, smoothed."""
    reference: Float32 | None = None
    """Embedding of the best pose's chip, made only when the association needs it."""

    @property
    def first_frame(self) -> int:
        return self.faces[0].frame

    @property
    def last_frame(self) -> int:
        return self.faces[-1].frame

    @property
    def seen(self) -> list[TrackedFace]:
        """The faces that the detector gave, without those that were put into its gaps."""
        return [f for f in self.faces if not f.bridged]

    def predicted_box(self, frame: int) -> Float32:
        """``(4,)`` where the face should be at ``frame``, moving on as it did."""
        ahead = frame - self.last_frame
        # A face that was lost is not thrown far: its motion is trusted for a few frames only.
        return self.faces[-1].box + self.velocity * np.float32(min(ahead, 3))

    def add(self, frame: Frame, face: TrackedFace) -> None:
        """Continues the track with a face of the frame after its last one."""
        if self.faces:
            step = (face.box - self.faces[-1].box) / np.float32(frame.index - self.last_frame)
            self.velocity = np.float32(0.5) * (self.velocity + step)
        self.faces.append(face)
        self._keep_chip(frame, face)

    def bridge(self, times_s: dict[int, float], until: TrackedFace) -> list[TrackedFace]:
        """Interpolated rows strictly between the last face and ``until``."""
        last, rows = self.faces[-1], []
        for frame in range(last.frame + 1, until.frame):
            share = np.float32((frame - last.frame) / (until.frame - last.frame))
            rows.append(
                TrackedFace(
                    frame,
                    times_s[frame],
                    last.box + share * (until.box - last.box),
                    last.landmarks + share * (until.landmarks - last.landmarks),
                    min(last.score, until.score),
                    "interpolated",
                    bridged=True,
                )
            )
        return rows

    def _keep_chip(self, frame: Frame, face: TrackedFace) -> None:
        """Keeps the best pose of each stretch of frames, and of these the best few."""
        pose = pose_quality(face.box, face.landmarks, face.score)
        stretch = frame.index // CHIP_SPACING
        rival = next((c for c in self.chips if c.frame // CHIP_SPACING == stretch), None)
        if rival is None and len(self.chips) >= self.max_chips:
            rival = min(self.chips, key=lambda c: c.pose)
        if rival is not None:
            if pose <= BETTER_POSE * rival.pose:
                return
            self.chips.remove(rival)
        if pose > max((c.pose for c in self.chips), default=0.0):
            self.reference = None
        self.chips.append(Chip(frame.index, pose, face_cut(frame.picture, face.box)))

    @property
    def best_chip(self) -> Chip:
        return max(self.chips, key=lambda c: c.quality)

    @property
    def best_pose(self) -> Chip:
        return max(self.chips, key=lambda c: c.pose)
