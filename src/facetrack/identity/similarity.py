"""How similar two embeddings are, as log-odds that they are of one person.

A ``PairScorer`` computes them. There are two: one by the recogniser's calibration, and one by a
bare cosine, for users who set a threshold.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import IdentitySettings
from facetrack.core.types import Float32
from facetrack.recognition.calibration import PRIOR, Calibration, Evidence

Float64 = NDArray[np.float64]

BLAS_FROM = 10_000_000
"""Number of multiplications from which BLAS is used: while a video is read, the threads of BLAS
would keep all cores busy with waiting."""
MAX_LOG_ODDS = 8.0
"""Log-odds of a pair are limited to this: one certain pair must not outweigh all others."""
STEEPNESS = 25.0
"""Log-odds for each unit of cosine where a user sets a threshold of cosine: about the steepest
slope of the calibrations."""


def cosines(one: Float32, other: Float32) -> Float32:
    """``(n, m)`` cosines of ``(n, dim)`` and ``(m, dim)`` vectors of length one."""
    if one.size * len(other) < BLAS_FROM:
        return np.asarray(np.einsum("id,jd->ij", one, other), np.float32)
    return np.asarray(one @ other.T, np.float32)


def probability(log_odds: float) -> float:
    """The probability of these log-odds, 0 to 1."""
    return float(1 / (1 + np.exp(-log_odds)))


def log_odds_of(probability: float) -> float:
    """The log-odds of a probability between 0 and 1."""
    return float(np.log(probability / (1 - probability)))


class PairScorer(Protocol):
    """Computes log-odds that two embeddings are of one person."""

    @property
    def min_log_odds(self) -> float:
        """Log-odds from which two are taken for one person."""
        ...

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        """``(n, m)`` log-odds; 0: one person is as probable as two.

        Args:
            one: ``(n, dim)`` embeddings of length one.
            of_one: their evidence.
            other: ``(m, dim)`` embeddings of length one.
            of_other: their evidence.
        """
        ...

    def reliability(self, evidence: Evidence) -> Float64:
        """``(n,)`` 0 to 1: how much each embedding can be trusted."""
        ...

    def in_words(self, log_odds: float) -> str:
        """Log-odds as messages write them: ``a probability of 0.93`` or ``a cosine of 0.41``."""
        ...


def scorer_of(calibration: Calibration, identity: IdentitySettings) -> PairScorer:
    """The scorer that the settings ask for: by probability, or by cosine where one is set."""
    if identity.threshold is not None:
        return CosineScorer(identity.threshold)
    return CalibratedScorer(calibration, log_odds_of(identity.probability))


@dataclass(frozen=True)
class CalibratedScorer:
    """Scores by the recogniser's calibration. Implements ``PairScorer``."""

    calibration: Calibration
    min_log_odds: float = 0.0
    prior: float = PRIOR
    """Log-odds before faces are compared; the default is for two tracks of a film."""
    max_log_odds: float = MAX_LOG_ODDS
    """Log-odds of a pair are limited to plus and minus this."""

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        odds = self.calibration.log_odds(cosines(one, other), of_one, of_other, self.prior)
        return np.asarray(np.clip(odds, -self.max_log_odds, self.max_log_odds), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return self.calibration.reliability(evidence)

    def in_words(self, log_odds: float) -> str:
        return f"a probability of {probability(log_odds):.2f}"


@dataclass(frozen=True)
class CosineScorer:
    """Scores by a threshold of cosine, whatever the faces are like. Implements ``PairScorer``."""

    threshold: float
    """Cosine from which two are taken for one person."""
    min_log_odds: float = 0.0

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        return np.asarray(STEEPNESS * (cosines(one, other) - self.threshold), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return np.ones(len(evidence))

    def in_words(self, log_odds: float) -> str:
        return f"a cosine of {self.threshold + log_odds / STEEPNESS:.2f}"
