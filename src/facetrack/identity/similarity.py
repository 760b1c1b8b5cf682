"""How similar two faces or tracks are, in log-odds that they are of one person."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import IdentitySettings
from facetrack.core.types import Float32
from facetrack.recognition.calibration import PRIOR, Calibration, Evidence

Float64 = NDArray[np.float64]

BLAS_FROM = 10_000_000
"""Multiplications from which BLAS is worth it: while a video is read, its threads would keep all
cores spinning."""
MOST = 8.0
"""Log-odds beyond which a pair counts no more: one sure pair must not outweigh all others."""
STEEPNESS = 25.0
"""Log-odds for each unit of cosine where a user sets a threshold of cosine: about that of the
calibrations where they are steepest."""


def cosines(one: Float32, other: Float32) -> Float32:
    """``(n, m)`` of ``(n, dim)`` and ``(m, dim)`` vectors of length one."""
    if one.size * len(other) < BLAS_FROM:
        return np.asarray(np.einsum("id,jd->ij", one, other), np.float32)
    return np.asarray(one @ other.T, np.float32)


def probability(log_odds: float) -> float:
    """0 to 1."""
    return float(1 / (1 + np.exp(-log_odds)))


def log_odds_of(probability: float) -> float:
    """``probability``: between 0 and 1."""
    return float(np.log(probability / (1 - probability)))


class Judge(Protocol):
    """Judges pairs of embeddings."""

    @property
    def needed(self) -> float:
        """Log-odds from which two are taken for one person."""
        ...

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        """``(n, m)``; 0: as likely one person as two.

        Args:
            one: ``(n, dim)`` embeddings of length one.
            of_one: what is behind each of them.
            other: ``(m, dim)``.
            of_other: what is behind each of them.
        """
        ...

    def reliability(self, evidence: Evidence) -> Float64:
        """``(n,)`` 0 to 1: how much each embedding can be trusted."""
        ...

    def in_words(self, log_odds: float) -> str:
        """Log-odds as messages say them: ``a probability of 0.93`` or ``a cosine of 0.41``."""
        ...


def judge_of(calibration: Calibration, identity: IdentitySettings) -> Judge:
    """By probability, or by a bare cosine where the user sets one."""
    if identity.threshold is not None:
        return ThresholdJudge(identity.threshold)
    return CalibratedJudge(calibration, log_odds_of(identity.probability))


@dataclass(frozen=True)
class CalibratedJudge:
    """By the recogniser's calibration."""

    calibration: Calibration
    needed: float = 0.0
    prior: float = PRIOR
    """Log-odds before faces are compared: by itself those of two tracks of a film."""
    most: float = MOST
    """Log-odds beyond which a pair counts no more."""

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        odds = self.calibration.log_odds(cosines(one, other), of_one, of_other, self.prior)
        return np.asarray(np.clip(odds, -self.most, self.most), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return self.calibration.reliability(evidence)

    def in_words(self, log_odds: float) -> str:
        return f"a probability of {probability(log_odds):.2f}"


@dataclass(frozen=True)
class ThresholdJudge:
    """By a cosine, whatever the faces are like."""

    threshold: float
    needed: float = 0.0

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        return np.asarray(STEEPNESS * (cosines(one, other) - self.threshold), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return np.ones(len(evidence))

    def in_words(self, log_odds: float) -> str:
        return f"a cosine of {self.threshold + log_odds / STEEPNESS:.2f}"
