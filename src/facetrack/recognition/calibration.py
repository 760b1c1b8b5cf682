"""From the cosine of two embeddings to the probability that they are of one person."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Calibration:
    """How far the cosines of a recogniser can be trusted."""

    even: float
    """Cosine at which same and different are equally likely."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Calibration":
        """What ``to_dict`` gave."""
        return cls(**stored)


SFACE = Calibration(0.40)
FACENET = Calibration(0.40)
