"""What a track looks like: the mean of its good faces, and where it changes from one to another."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.recognition.calibration import Calibration, Evidence
from facetrack.recognition.face_crop import FaceCrop

Float64 = NDArray[np.float64]

ODD = 0.6
"""Share of the usual cosine with all other faces below which a face of a track is left out."""
FEWEST_TO_JUDGE = 4
"""Faces from which on one of them can be called odd."""
LEAST_WEIGHT = 1e-3
GOES_ON, GOES_ON_SUDDENLY = 2.0, 0.0
"""Log-odds that a face which goes on in its place is the same person's, before it is looked at;
and where its place suddenly looked different."""
SAME_MOMENT = 0.12
"""How much closer two faces of one person in one shot are, as a cosine, than two photographs, from
which calibrations are made. Of the tracks of three films by SFace the closest of the faces around a
moment had log-odds of 4.0 and more, where one face gave way to another of 0.5 and less."""
CUT_OFF = 6
"""Power of the share of a face inside the frame with which its evidence counts: a profile that the
frame's edge cuts off by an eighth looked like somebody else."""
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


def changes(
    crops: Sequence[FaceCrop], calibration: Calibration, breaks: Sequence[int] = ()
) -> list[int]:
    """Positions at which another person's faces begin, from 1 on; empty: all are one person's.

    A head that turns away looks like another one at last, but step by step. So a change is only
    where none of the last faces before it looks like any of the first ones after it. Where the
    place of the face suddenly looked different, less evidence is enough.

    Args:
        crops: embedded, in order of time.
        calibration: of the recogniser.
        breaks: frames from which on the face's place looked different, in order.
    """
    n = len(crops)
    if n < 2:
        return []
    vectors = _vectors(crops)
    evidence = Evidence.joined([evidence_of([crop]) for crop in crops])
    odds = calibration.log_odds(vectors @ vectors.T - SAME_MOMENT, evidence, evidence, 0.0)
    seen = np.array([crop.visible for crop in crops]) ** CUT_OFF
    odds *= np.minimum(seen[:, None], seen)
    part = [bisect_right(breaks, crop.frame) for crop in crops]
    found = []
    for k in range(1, n):
        sudden = part[k - 1] != part[k]
        before = [i for i in range(max(0, k - AROUND), k) if not sudden or part[i] == part[k - 1]]
        after = [j for j in range(k, min(n, k + AROUND)) if not sudden or part[j] == part[k]]
        most = float(odds[np.ix_(before, after)].max())
        if most + (GOES_ON_SUDDENLY if sudden else GOES_ON) < 0:
            found.append(k)
    return found


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
