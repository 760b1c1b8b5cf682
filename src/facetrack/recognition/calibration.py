"""From the cosine of two embeddings to the probability that they are of one person.

The log-odds that two embeddings ``a`` and ``b`` are of one person are::

    prior + slope * Q * (c - even - rise * Q)

``c`` is the mean cosine over all pairs of a face behind ``a`` and a face behind ``b``: the cosine
of the two means, times the agreement of the faces behind each. Where a cohort of other people is
known (``reference_embeddings``), what both embeddings have in common with it is subtracted. ``Q``
is the product of the reliability of both. Without evidence (``Q`` 0) the probability is the prior.
The less reliable the faces are, the flatter is the curve, and the higher is the cosine that a
probability above the prior needs.

The coefficients are fitted to labelled photographs (``facetrack calibrate``); docs/identity.md
shows how good they are, by groups of people.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]

PRIOR = -4.6
"""Log-odds that two tracks of a film are of one person, before their faces are compared: 1 in 100.
That is less than in a usual film of ten people, because to join two people is worse than to split
one."""
SHARPNESS_FLOOR = 0.02
"""Added to a sharpness before its logarithm is taken: below it all faces are equally blurred."""
USUAL_SHARPNESS, USUAL_PX, LARGEST_PX = 0.1, 48.0, 112.0
"""Sharpness and face height that add nothing to a reliability and take nothing off, and the height
from which more pixels change nothing: no embedder's crop has more."""
SHARED = 0.8
"""Cosine of two faces of a track where it was not measured: it is 0.83 for two views of a
photograph by SFace, 0.85 by InceptionResnetV1."""


@dataclass(frozen=True)
class Evidence:
    """How good the faces behind ``n`` embeddings are; each field is ``(n,)``."""

    faces: Float64
    """Number of faces that the embedding is the mean of."""
    face_px: Float64
    """Mean height of their boxes in pixels."""
    sharpness: Float64
    """Their mean sharpness, 0 to 1, as ``quality.sharpness``."""
    frontality: Float64
    """Their mean frontality, 0 to 1, as ``quality.frontality``."""
    agreement: Float64
    """Length of the weighted mean of their unit embeddings before it is normalised: 1 when all
    are equal. NaN: not measured; the usual value for so many faces of a track is used."""
    commonness: Float64
    """``Cohort.commonness`` of the embedding. NaN: not measured; the usual value is used."""

    @classmethod
    def of_faces(
        cls,
        face_px: Float64,
        sharpness: Float64,
        frontality: Float64,
        agreement: float = np.nan,
        commonness: float = np.nan,
    ) -> "Evidence":
        """Evidence of one embedding that is the mean over ``(k,)`` faces, one or more."""
        return cls.of_track(
            len(face_px),
            float(np.mean(face_px)),
            float(np.mean(sharpness)),
            float(np.mean(frontality)),
            1.0 if len(face_px) == 1 else agreement,
            commonness,
        )

    @classmethod
    def of_track(
        cls,
        faces: int,
        face_px: float,
        sharpness: float,
        frontality: float,
        agreement: float = np.nan,
        commonness: float = np.nan,
    ) -> "Evidence":
        """Evidence of one embedding, from stored numbers; 0 ``faces``: those of a usual track."""
        if not faces:
            faces, face_px, sharpness, frontality = 3, 100.0, 0.5, 0.7
        values = (faces, face_px, sharpness, frontality, agreement, commonness)
        return cls(*(np.array([float(value)]) for value in values))

    @classmethod
    def none(cls) -> "Evidence":
        """Evidence of one embedding of which nothing is known: its reliability is about 0."""
        return cls.of_track(1, 0.0, 0.0, 0.0, 1.0)

    @classmethod
    def joined(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """The rows of all parts, one part after the other."""
        return cls(
            *(np.concatenate([np.zeros(0), *(getattr(p, f) for p in parts)]) for f in FIELDS)
        )

    def with_commonness(self, commonness: float) -> "Evidence":
        """The same, of one embedding, with its commonness."""
        return replace(self, commonness=np.array([commonness]))

    def pick(self, which: NDArray[np.intp]) -> "Evidence":
        """The rows at these positions, in their order."""
        return Evidence(*(getattr(self, f)[which] for f in FIELDS))

    def __len__(self) -> int:
        return len(self.faces)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, of one embedding; fields that were not measured are left out."""
        values = {f: float(getattr(self, f)[0]) for f in FIELDS}
        measured = {f: round(value, 4) for f, value in values.items() if not np.isnan(value)}
        return measured | {"faces": int(self.faces[0])}


def finite(value: object, name: str) -> float:
    """The value as a float.

    Raises:
        ValueError: with ``name``, when the value is no number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{name} is {value!r}, no number")
    return float(value)


FIELDS = tuple(field.name for field in fields(Evidence))


@dataclass(frozen=True)
class Calibration:
    """What the cosines of a recogniser mean; see the module for the formula."""

    slope: float
    """Log-odds for each unit of cosine between faces of full reliability."""
    even: float
    """Cosine at which the log-odds stay at the prior, as reliability goes to 0."""
    rise: float
    """How much higher that cosine is at full reliability: good faces of one person are closer."""
    base: float
    """Log-odds of the reliability of a frontal face of 48 pixels and sharpness 0.1."""
    sharp: float
    """Added to these log-odds for each doubling of sharpness."""
    size: float
    """Added for each doubling of height up to 112 pixels; little, because sharpness counts too."""
    front: float
    """Added for a frontal face, compared with a full profile."""
    common: float = 0.0
    """Share of each embedding's commonness that is subtracted from the cosine; 0: no cohort."""
    usual_common: float = 0.0
    """Commonness of an embedding for which it was not measured."""
    featureless: float = 0.38
    """Cosine of a track with crops without features from which the track is no face."""

    def reliability(self, evidence: Evidence) -> Float64:
        """``(n,)`` 0 to 1; 1 for large, sharp, frontal faces."""
        best = Evidence.of_track(1, LARGEST_PX, 1.0, 1.0, 1.0)
        return np.asarray(self._trust(evidence) / self._trust(best))

    def log_odds(
        self, cosine: ArrayLike, a: Evidence, b: Evidence, prior: float = PRIOR
    ) -> Float64:
        """Log-odds that two embeddings are of one person, in the shape of ``cosine``.

        Args:
            cosine: ``(n, m)`` between ``n`` embeddings and ``m`` others; or one number.
            a: evidence of the ``n``.
            b: evidence of the ``m``.
            prior: log-odds before the faces are compared.
        """
        cosines = np.asarray(cosine, np.float64)
        one, other = (self._parts(a)[:, :, None], self._parts(b)[:, None, :])
        odds = prior + self._evidence(np.atleast_2d(cosines), one, other)
        return np.asarray(odds.reshape(cosines.shape))

    def log_odds_of_pairs(
        self, cosine: Float64, a: Evidence, b: Evidence, prior: float = PRIOR
    ) -> Float64:
        """``(k,)`` log-odds of ``(k,)`` pairs; row ``i`` of ``a`` and ``b`` belongs to pair
        ``i``."""
        return np.asarray(prior + self._evidence(cosine, self._parts(a), self._parts(b)))

    def probability(
        self, cosine: ArrayLike, a: Evidence, b: Evidence, prior: float = PRIOR
    ) -> Float64:
        """Probability that two embeddings are of one person; arguments as of ``log_odds``."""
        odds = np.clip(self.log_odds(cosine, a, b, prior), -50, 50)
        return np.asarray(1 / (1 + np.exp(-odds)))

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, float]) -> "Calibration":
        """The calibration that ``to_dict`` wrote.

        Raises:
            ValueError: when a number is missing, unknown or not finite.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(stored, dict) or not stored.keys() <= names:
            raise ValueError("calibration: not the numbers of a calibration")
        try:
            return cls(**{name: finite(x, f"calibration: {name}") for name, x in stored.items()})
        except TypeError as error:
            raise ValueError("calibration: a number is missing") from error

    def _trust(self, evidence: Evidence) -> Float64:
        """``(n,)`` 0 to 1: the factor by which each side of a pair lowers the slope."""
        sharp = np.log2((evidence.sharpness + SHARPNESS_FLOOR) / USUAL_SHARPNESS)
        size = np.log2(np.clip(evidence.face_px, 1.0, LARGEST_PX) / USUAL_PX)
        odds = (
            self.base
            + self.sharp * sharp
            + self.size * size
            + self.front * (evidence.frontality - 1)
        )
        return np.asarray(1 / (1 + np.exp(-odds)))

    def _parts(self, evidence: Evidence) -> Float64:
        """``(3, n)``: trust, agreement, and what is subtracted from the cosine."""
        usual = np.sqrt(SHARED + (1 - SHARED) / np.maximum(evidence.faces, 1))
        agreement = np.where(np.isnan(evidence.agreement), usual, evidence.agreement)
        measured = ~np.isnan(evidence.commonness)
        commonness = np.where(measured, evidence.commonness, self.usual_common)
        return np.stack([self._trust(evidence), agreement, self.common * agreement * commonness])

    def _evidence(self, cosine: Float64, one: Float64, other: Float64) -> Float64:
        (trust_a, agree_a, common_a), (trust_b, agree_b, common_b) = one, other
        both = trust_a * trust_b
        faces = cosine * (agree_a * agree_b) - (common_a + common_b)
        return np.asarray(self.slope * both * (faces - self.even - self.rise * both))


SFACE = Calibration(
    slope=47.1, even=0.059, rise=0.267, base=1.45, sharp=1.54, size=0.0614, front=0.0
)
"""Made by ``facetrack calibrate ../shared/faces --recognizer sface``. Pose added nothing to
sharpness and size."""
FACENET = Calibration(
    slope=44.9, even=-0.139, rise=0.454, base=0.0641, sharp=1.01, size=0.00889, front=0.383,
    common=0.3, usual_common=0.418, featureless=0.7,
)  # fmt: skip
"""Of InceptionResnetV1 (CASIA), made in the same way with ``--recognizer facenet``."""
