"""The values that travel through the pipeline: frames, faces, and facts of a video."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: ``(height, width, 3)`` uint8, RGB, upright."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture."""

    index: int
    """Counts from 0 in presentation order, over the whole source."""
    time_s: float
    """Presentation time in seconds from the start of the source's video stream."""
    image: Image
    """``(height, width, 3)`` uint8, RGB, upright (display rotation applied)."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one picture, best score first."""

    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright picture; may reach past its edges."""
    scores: Float32
    """``(n,)`` O-Net's probability, 0 to 1."""
    landmarks: Float32
    """``(n, 5, 2)`` x y of left eye, right eye, nose, left and right mouth corner (image sides)."""
    anchors: Float32
    """``(n, 4)`` the squares that O-Net saw: from the same place it sees the face again."""
    source: str = "detected"
    """``detected`` by the whole cascade, or ``refined`` from where the face was expected."""

    @classmethod
    def none(cls, source: str = "detected") -> "Faces":
        return cls(
            np.empty((0, 4), np.float32),
            np.empty(0, np.float32),
            np.empty((0, 5, 2), np.float32),
            np.empty((0, 4), np.float32),
            source,
        )

    def __post_init__(self) -> None:
        n = len(self.boxes)
        shapes = (self.boxes.shape, self.scores.shape, self.landmarks.shape)
        if shapes != ((n, 4), (n,), (n, 5, 2)):
            raise ValueError(f"faces need (n, 4), (n,) and (n, 5, 2), got {shapes}")

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is, as its upright picture is seen."""

    path: Path
    width: int
    height: int
    """Size of the upright picture in pixels."""
    rotation: int
    """Degrees that the stored picture is turned counter-clockwise to stand upright."""
    frame_count: int
    """Frames decoded (of the whole file, or of the span that was asked for)."""
    fps: Fraction
    duration_s: float
    has_audio: bool
    video_codec: str
