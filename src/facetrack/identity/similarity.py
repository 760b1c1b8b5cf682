"""How similar two tracks are, in log-odds that they are of one person: 0 is the join decision."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.calibration import Calibration, Evidence
from facetrack.settings import IdentitySettings
from facetrack.types import Float32

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


class Judge(Protocol):
    """Judges pairs of embeddings."""

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        """``(n, m)``; above 0 two are taken for one person.

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


def judge_of(calibration: Calibration, identity: IdentitySettings) -> Judge:
    """By probability, or by a bare cosine where the user sets one."""
    if identity.threshold is not None:
        return ThresholdJudge(identity.threshold)
    return CalibratedJudge(calibration, identity.probability)


@dataclass(frozen=True)
class CalibratedJudge:
    """By the recogniser's calibration."""

    calibration: Calibration
    needed: float
    """Probability from which two are one person."""

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        cosine = cosines(one, other)
        odds = self.calibration.log_odds(cosine, of_one, of_other)
        needed = float(np.log(self.needed / (1 - self.needed)))
        return np.asarray(np.clip(odds, -MOST, MOST) - needed, np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return self.calibration.reliability(evidence)


@dataclass(frozen=True)
class ThresholdJudge:
    """By a cosine, whatever the faces are like."""

    threshold: float

    def log_odds(
        self, one: Float32, of_one: Evidence, other: Float32, of_other: Evidence
    ) -> Float64:
        cosine = cosines(one, other)
        return np.asarray(STEEPNESS * (cosine - self.threshold), np.float64)

    def reliability(self, evidence: Evidence) -> Float64:
        return np.ones(len(evidence))
