"""From the cosine of two embeddings to the probability that they are of one person."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """How good the faces behind embeddings are, an array a field, one number an embedding."""

    faces: Float64
    face_px: Float64
    sharpness: Float64
    frontality: Float64

    @classmethod
    def of_faces(cls, face_px: Float64, sharpness: Float64, frontality: Float64) -> "Evidence":
        """Of one embedding that is the mean over these faces."""
        return cls(
            np.array([len(face_px)], np.float64),
            np.array([np.mean(face_px)]),
            np.array([np.mean(sharpness)]),
            np.array([np.mean(frontality)]),
        )

    @classmethod
    def of_track(
        cls, faces: int, face_px: float, sharpness: float, frontality: float
    ) -> "Evidence":
        if not faces:
            faces, face_px, sharpness, frontality = 3, 100.0, 0.5, 0.7
        return cls(*(np.array([float(x)]) for x in (faces, face_px, sharpness, frontality)))

    @classmethod
    def none(cls) -> "Evidence":
        return cls(*(np.zeros(1) for _ in range(4)))

    @classmethod
    def joined(cls, parts: Sequence["Evidence"]) -> "Evidence":
        if not parts:
            return cls(*(np.zeros(0) for _ in range(4)))
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in FIELDS))

    def pick(self, which: NDArray[np.intp]) -> "Evidence":
        return Evidence(*(getattr(self, f)[which] for f in FIELDS))

    def __len__(self) -> int:
        return len(self.faces)

    def to_dict(self) -> dict[str, Any]:
        return {
            "faces": int(self.faces[0]),
            **{f: round(float(getattr(self, f)[0]), 4) for f in FIELDS[1:]},
        }


FIELDS = ("faces", "face_px", "sharpness", "frontality")


@dataclass(frozen=True)
class Calibration:
    """How far the cosines of a recogniser can be trusted."""

    even: float
    """Cosine at which same and different are equally likely."""
    featureless: float = 0.38
    """Cosine of a track with crops that show no features from which it is no face."""

    def log_odds(self, cosine: Any, a: Evidence, b: Evidence) -> Float64:
        return np.asarray(25.0 * (np.asarray(cosine) - self.even), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return np.minimum(evidence.face_px / 60.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Calibration":
        """What ``to_dict`` gave."""
        return cls(**stored)


SFACE = Calibration(0.40)
FACENET = Calibration(0.40, 0.7)
