"""What a track looks like: the mean of its good faces, and where it changes from one to another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.calibration import Calibration, Evidence
from facetrack.recognition.face_crop import FaceCrop
from facetrack.types import Float32

Float64 = NDArray[np.float64]

ODD = 0.6
"""Share of the usual cosine with all other faces below which a face of a track is left out."""
FEWEST_TO_JUDGE = 4
"""Faces from which on one of them can be called odd."""
LEAST_WEIGHT = 1e-3
GOES_ON = 2.0
"""Log-odds that a face which goes on in its place is the same person's, before it is looked at."""
TWO_PEOPLE = -1.5
"""Log-odds that no pair of faces across a change may exceed."""
AROUND = 2
"""Faces on either side of a change that are compared."""


@dataclass(frozen=True)
class TrackEmbedding:
    """A track for the recogniser."""

    vector: Float32
    """``(dim,)`` of length one."""
    evidence: Evidence
    """How many and how good the faces are."""


def track_embedding(crops: Sequence[FaceCrop]) -> TrackEmbedding:
    """The mean of these faces, weighted by their quality; odd ones are left out.

    ``crops``: embedded, one or more.
    """
    vectors = _vectors(crops)
    weights = np.array([max(crop.quality, LEAST_WEIGHT) for crop in crops])
    kept = _without_odd(vectors, weights)
    mean = weights[kept] @ vectors[kept] / weights[kept].sum()
    length = float(np.linalg.norm(mean))
    vector = np.asarray(mean / max(length, 1e-12), np.float32)
    return TrackEmbedding(vector, evidence_of([crops[i] for i in kept], length))


def evidence_of(crops: Sequence[FaceCrop], agreement: float = 1.0) -> Evidence:
    """What the calibration wants to know of the faces behind a mean.

    ``agreement``: length of the mean of their embeddings.
    """
    return Evidence.of_faces(
        np.array([crop.height_px for crop in crops]),
        np.array([crop.sharpness for crop in crops]),
        np.array([crop.frontality for crop in crops]),
        agreement,
    )


def changes(crops: Sequence[FaceCrop], calibration: Calibration) -> list[int]:
    """Positions at which another person's faces begin, from 1 on; empty: all are one person's.

    A head that turns away looks like another one at last, but step by step. So a change is only
    where none of the last faces before it looks like any of the first ones after it.

    ``crops``: embedded, in order of time.
    """
    n = len(crops)
    if n < 2:
        return []
    vectors = _vectors(crops)
    evidence = Evidence.joined([evidence_of([crop]) for crop in crops])
    odds = calibration.log_odds(vectors @ vectors.T, evidence, evidence, GOES_ON)
    return [
        k for k in range(1, n) if odds[max(0, k - AROUND) : k, k : k + AROUND].max() < TWO_PEOPLE
    ]


def _without_odd(vectors: Float32, weights: Float64) -> list[int]:
    """Positions of the faces that look like the others."""
    everybody = list(range(len(vectors)))
    if len(vectors) < FEWEST_TO_JUDGE:
        return everybody
    total = weights @ vectors
    others = total - weights[:, None] * vectors
    others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12)
    alike = np.einsum("ij,ij->i", others, vectors)
    kept = [i for i in everybody if alike[i] >= ODD * np.median(alike)]
    return kept or everybody


def _vectors(crops: Sequence[FaceCrop]) -> Float32:
    return np.stack([crop.embedding for crop in crops if crop.embedding is not None])
