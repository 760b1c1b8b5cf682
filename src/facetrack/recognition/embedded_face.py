"""What is kept of a face crop once its embedding is made: numbers, no pixels."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from facetrack.core.types import Float32


class TrackFace(Protocol):
    """A face of a track that is kept for its embedding."""

    @property
    def frame(self) -> int:
        """Index of its frame in the source."""
        ...

    @property
    def pose(self) -> float:
        """0 to 1, as ``quality.pose_quality``."""
        ...

    @property
    def turn(self) -> Sequence[float]:
        """Two numbers: how far the head is turned, as ``quality.head_turns``."""
        ...


class EmbeddedFace(TrackFace, Protocol):
    """A face whose embedding is made, and what says how much it counts."""

    @property
    def embedding(self) -> Float32 | None:
        """``(dim,)`` of length one; None: it is not made yet."""
        ...

    @property
    def quality(self) -> float:
        """0 to 1, as ``FaceCrop.quality``."""
        ...

    @property
    def height_px(self) -> float:
        """Height of the face's box in pixels."""
        ...

    @property
    def sharpness(self) -> float:
        """0 to 1, as ``quality.sharpness``."""
        ...

    @property
    def frontality(self) -> float:
        """1 when the face looks at the camera, 0 in full profile."""
        ...

    @property
    def visible(self) -> float:
        """Share of the aligned crop that lies inside the frame, 0 to 1."""
        ...


class KeptFace(NamedTuple):
    """Implements ``EmbeddedFace`` without pixels."""

    frame: int
    pose: float
    turn: Sequence[float]
    quality: float
    height_px: float
    sharpness: float
    frontality: float
    visible: float
    embedding: Float32

    @classmethod
    def of(cls, face: EmbeddedFace) -> "KeptFace":
        """What is kept of a face that has an embedding."""
        assert face.embedding is not None
        return cls(
            face.frame, face.pose, (float(face.turn[0]), float(face.turn[1])), face.quality,
            face.height_px, face.sharpness, face.frontality, face.visible, face.embedding,
        )  # fmt: skip
