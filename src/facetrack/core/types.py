"""The values that travel through the pipeline: faces, and facts of a video."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A frame: ``(height, width, 3)`` uint8, RGB, upright."""

Float32 = NDArray[np.float32]

SOURCE = np.dtype("<U12")
"""Of ``Faces.sources``: holds the longest, ``interpolated``."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What is known of faces beyond where they are, from an engine that looks at each anyway."""

    embeddings: Float32
    """``(n, 512)`` of length one."""
    sharpness: Float32
    """``(n,)`` 0 to 1, as ``recognition.face crops.sharpness``."""

    def pick(self, which: NDArray[np.intp] | slice) -> "Recognised":
        """The rows at these positions, in their order."""
        return Recognised(self.embeddings[which], self.sharpness[which])


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one frame, best score first."""

    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright frame; may reach past its edges."""
    scores: Float32
    """``(n,)`` O-Net's probability, 0 to 1."""
    landmarks: Float32
    """``(n, 5, 2)`` x y of left eye, right eye, nose, left and right mouth corner (image sides)."""
    anchors: Float32
    """``(n, 4)`` the squares that O-Net saw: from the same place it sees the face again."""
    sources: NDArray[np.str_]
    """``(n,)`` ``detected`` by the whole cascade, ``refined`` from where the face was expected, or
    ``interpolated`` between two sightings."""
    recognised: Recognised | None = None
    """Of the same faces; None: crops are made and embedded where somebody asks."""

    @classmethod
    def of_one_source(
        cls, boxes: Float32, scores: Float32, landmarks: Float32, anchors: Float32, source: str
    ) -> "Faces":
        """Faces that all came by in one way."""
        return cls(boxes, scores, landmarks, anchors, np.full(len(boxes), source, SOURCE))

    @classmethod
    def none(cls) -> "Faces":
        """A frame without a face."""
        return cls(
            np.empty((0, 4), np.float32),
            np.empty(0, np.float32),
            np.empty((0, 5, 2), np.float32),
            np.empty((0, 4), np.float32),
            np.empty(0, SOURCE),
        )

    def __post_init__(self) -> None:
        n = len(self.boxes)
        shapes = (self.boxes.shape, self.scores.shape, self.landmarks.shape)
        if shapes != ((n, 4), (n,), (n, 5, 2)):
            raise ValueError(f"faces need (n, 4), (n,) and (n, 5, 2), got {shapes}")

    def __len__(self) -> int:
        return len(self.boxes)

    def with_recognised(self, recognised: Recognised) -> "Faces":
        """The same faces, and what is known of them."""
        return replace(self, recognised=recognised)

    def split(self, counts: Sequence[int]) -> list["Faces"]:
        """One after the other, of so many rows each."""
        ends = list(accumulate(counts, initial=0))
        return [self.pick(slice(a, b)) for a, b in pairwise(ends)]

    def pick(self, which: NDArray[np.intp] | slice) -> "Faces":
        """The rows at these positions, in their order."""
        return Faces(
            self.boxes[which],
            self.scores[which],
            self.landmarks[which],
            self.anchors[which],
            self.sources[which],
            self.recognised and self.recognised.pick(which),
        )


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is, as its upright frame is seen."""

    path: Path
    width: int
    height: int
    """Size of the upright frame in pixels."""
    rotation: int
    """Degrees that the stored frame is turned counter-clockwise to stand upright."""
    frame_count: int
    """Frames decoded (of the whole file, or of the span that was asked for)."""
    fps: Fraction
    duration_s: float
    has_audio: bool
    video_codec: str
