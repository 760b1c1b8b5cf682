"""A track's embedding, the mean of its good faces; and where a track changes to another person."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.recognition.calibration import Calibration, Evidence
from facetrack.recognition.embedded_face import EmbeddedFace
from facetrack.recognition.reference_embeddings import cohort_of

Float64 = NDArray[np.float64]

ODD = 0.6
"""A face is left out of the mean when its cosine with all other faces of the track is below this
share of the usual one."""
MIN_FACES_FOR_ODD = 4
"""Number of faces from which one of them can be called odd."""
MIN_WEIGHT = 1e-3
"""Smallest weight of a face in a mean."""
GOES_ON, GOES_ON_SUDDENLY = 2.0, 0.0
"""Prior log-odds that the next face of a track is the same person's; and the same where the place
of the face suddenly looked different."""
SAME_SHOT_GAIN = 0.12
"""How much higher the cosine of two faces of one person is in one shot than in two photographs,
from which calibrations are made. Of the tracks of three films by SFace the closest of the faces
around a moment had log-odds of 4.0 and more, where one face gave way to another of 0.5 and less."""
CUT_OFF_POWER = 6
"""The evidence of a face counts with this power of its visible share: a profile of which the
frame's edge cut off an eighth looked like another person."""
AROUND = 2
"""Number of faces on either side of a change that are compared."""


@dataclass(frozen=True)
class TrackEmbedding:
    """A track as the recogniser sees it."""

    vector: Float32
    """``(dim,)`` of length one."""
    evidence: Evidence
    """How many and how good the faces are."""


def mean_embedding(crops: Sequence[EmbeddedFace], recognizer: str) -> TrackEmbedding:
    """The embedding of the track whose faces these are, with its commonness where that counts.

    Args:
        crops: one or more, with their embeddings.
        recognizer: name of the embedder.
    """
    found, cohort = track_embedding(crops), cohort_of(recognizer)
    if cohort is None:
        return found
    common = float(cohort.commonness(found.vector[None])[0])
    return TrackEmbedding(found.vector, found.evidence.with_commonness(common))


def track_embedding(crops: Sequence[EmbeddedFace]) -> TrackEmbedding:
    """The mean of a track's faces, weighted by their quality; odd faces are left out.

    Args:
        crops: one or more, with their embeddings.
    """
    vectors = _vectors(crops)
    weights = np.array([max(crop.quality, MIN_WEIGHT) for crop in crops])
    kept = _without_odd(vectors, weights)
    vector, agreement = unit_mean(vectors[kept], weights[kept])
    return TrackEmbedding(vector, evidence_of_crops([crops[i] for i in kept], agreement))


def unit_mean(vectors: Float32, weights: Float64) -> tuple[Float32, float]:
    """The weighted mean of unit vectors, ``(dim,)`` brought to length one, and its length before.

    The length is the *agreement* of the vectors: 1 when all are equal.

    Args:
        vectors: ``(n, dim)``, one or more.
        weights: ``(n,)``, with a sum above 0.
    """
    mean = weights @ vectors / weights.sum()
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / max(length, 1e-12), np.float32), length


def evidence_of_crops(crops: Sequence[EmbeddedFace], agreement: float = 1.0) -> Evidence:
    """How good the faces behind a mean are, for the calibration.

    Args:
        crops: one or more.
        agreement: length of the mean of their embeddings.
    """
    return Evidence.of_faces(
        np.array([crop.height_px for crop in crops]),
        np.array([crop.sharpness for crop in crops]),
        np.array([crop.frontality for crop in crops]),
        agreement,
    )


def changes(
    crops: Sequence[EmbeddedFace], calibration: Calibration, breaks: Sequence[int] = ()
) -> list[int]:
    """Positions, from 1 on, at which another person's faces begin; empty: all are one person's.

    The embedding of a head that turns away changes step by step. So there is a change
    only where none of the last faces before it is similar to any of the first faces after it. Where
    the place of the face suddenly looked different, less evidence is enough.

    Args:
        crops: with their embeddings, by time.
        calibration: of the recogniser.
        breaks: frames from which on the place of the face looked different, in order.
    """
    n = len(crops)
    if n < 2:
        return []
    vectors = _vectors(crops)
    evidence = Evidence.joined([evidence_of_crops([crop]) for crop in crops])
    odds = calibration.log_odds(vectors @ vectors.T - SAME_SHOT_GAIN, evidence, evidence, 0.0)
    visible = np.array([crop.visible for crop in crops]) ** CUT_OFF_POWER
    odds *= np.minimum(visible[:, None], visible)
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
    """Positions of the faces that are similar to the others."""
    all_faces = list(range(len(vectors)))
    if len(vectors) < MIN_FACES_FOR_ODD:
        return all_faces
    total = weights @ vectors
    others = total - weights[:, None] * vectors
    others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-12)
    cosines = np.einsum("ij,ij->i", others, vectors)
    kept = [i for i in all_faces if cosines[i] >= ODD * np.median(cosines)]
    return kept or all_faces


def _vectors(crops: Sequence[EmbeddedFace]) -> Float32:
    return np.stack([crop.embedding for crop in crops if crop.embedding is not None])
