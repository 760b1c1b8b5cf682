"""Fits a calibration to embeddings of labelled photographs.

People are divided, not photos: 60 % of each group are for the fit, the others for the report.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from facetrack.core.types import Float32
from facetrack.evaluation.labelled_photos import FaceSamples
from facetrack.recognition.calibration import (
    LARGEST_PX,
    PRIOR,
    SHARPNESS_FLOOR,
    USUAL_PX,
    USUAL_SHARPNESS,
    Calibration,
    Evidence,
)
from facetrack.recognition.reference_embeddings import Cohort
from facetrack.recognition.track_embedding import unit_mean

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIT_SHARE = 0.6
TRACKS_PER_PERSON = 14
MAX_FACES = 8
"""Faces of a simulated track at most, as of a real one by default."""
MAX_PHOTOS = 3
"""Photos of a simulated track at most: the faces of one shot differ less than as many photos."""
DIFFERENT_PAIRS = 60_000
"""Pairs of different people that are compared. Three quarters are of one group, because the people
of a film are more often of one group than of two."""
OTHER_GROUPS = 0.5
"""Weight of all pairs of two groups, where all pairs within groups have the weight 1."""
COMMON = 0.3
"""``Calibration.common`` where there is a cohort: best of 0.15, 0.3 and 0.45 by log loss for
InceptionResnetV1, on people of the fit."""
RIDGE = 1e-6


@dataclass(frozen=True)
class TrackMeans:
    """Embeddings of ``n`` simulated tracks; each array has one row for each track."""

    vectors: Float32
    """``(n, dim)`` of length one."""
    evidence: Evidence
    identity: NDArray[np.str_]
    group: NDArray[np.str_]
    condition: NDArray[np.str_]
    photos: NDArray[np.int64]
    """``(n, 3)`` positions of the photos that each track is made of; -1 where there are fewer."""

    def __len__(self) -> int:
        return len(self.vectors)

    def pick(self, which: NDArray[np.intp]) -> "TrackMeans":
        """The rows at these positions."""
        return TrackMeans(
            self.vectors[which],
            self.evidence.pick(which),
            self.identity[which],
            self.group[which],
            self.condition[which],
            self.photos[which],
        )


@dataclass(frozen=True)
class Pairs:
    """``k`` pairs of tracks; each array is ``(k,)``."""

    one: NDArray[np.intp]
    """Position of a track."""
    other: NDArray[np.intp]
    """Position of the other track."""
    same: Mask
    """Whether both are one person; such pairs share no photo."""

    def pick(self, which: Mask) -> "Pairs":
        """The pairs where it is True."""
        return Pairs(self.one[which], self.other[which], self.same[which])


def people_for_fit(identity: NDArray[np.str_], group: NDArray[np.str_]) -> set[str]:
    """60 % of the people of each group, chosen by the hash of their names: always the same ones."""
    chosen: set[str] = set()
    for name in np.unique(group):
        people = np.unique(identity[group == name]).tolist()
        people.sort(key=lambda person: hashlib.sha256(person.encode()).hexdigest())
        chosen |= set(people[: round(FIT_SHARE * len(people))])
    return chosen


def single_faces(samples: FaceSamples, vectors: Float32, cohort: Cohort | None) -> TrackMeans:
    """Each face as a track of its own.

    Args:
        samples: the faces.
        vectors: ``(n, dim)`` their embeddings, of length one.
        cohort: of the embedder.
    """
    return _means(samples, vectors, [np.array([i]) for i in range(len(vectors))], cohort)


def simulated_tracks(
    samples: FaceSamples, vectors: Float32, cohort: Cohort | None, seed: int = 0
) -> TrackMeans:
    """Means of up to 8 faces of up to 3 photos under one condition.

    A person's photos are divided into two halves before each draw, so that there are pairs of
    tracks that share no photo.

    Args:
        samples: the faces.
        vectors: ``(n, dim)`` their embeddings, of length one.
        cohort: of the embedder.
        seed: of the random draws.
    """
    chance = np.random.default_rng(seed)
    rows: dict[tuple[str, str, int], list[int]] = {}
    photos: dict[str, set[int]] = {}
    for i, key in enumerate(
        zip(samples.identity, samples.condition, samples.photo.tolist(), strict=True)
    ):
        rows.setdefault(key, []).append(i)
        photos.setdefault(key[0], set()).add(key[2])
    conditions = np.unique(samples.condition)
    members = []
    for person, mine in photos.items():
        for _ in range(TRACKS_PER_PERSON):
            mixed = chance.permutation(sorted(mine))
            for half in np.array_split(mixed, 2):
                condition = str(chance.choice(conditions))
                if len(half):
                    some = half[: chance.integers(1, min(MAX_PHOTOS, len(half)) + 1)]
                    pool = [i for p in some for i in rows.get((person, condition, int(p)), [])]
                    taken = chance.permutation(pool)[: chance.integers(1, MAX_FACES + 1)]
                    if len(taken):
                        members.append(taken.astype(np.intp))
    return _means(samples, vectors, members, cohort)


def _means(
    samples: FaceSamples,
    vectors: Float32,
    members: Sequence[NDArray[np.intp]],
    cohort: Cohort | None,
) -> TrackMeans:
    means, evidence, photos = [], [], []
    for faces in members:
        mean, agreement = unit_mean(vectors[faces], samples.quality[faces])
        means.append(mean)
        common = np.nan if cohort is None else float(cohort.commonness(mean[None])[0])
        evidence.append(
            Evidence.of_faces(
                samples.face_px[faces],
                samples.sharpness[faces],
                samples.frontality[faces],
                agreement,
                common,
            )
        )
        used = np.unique(samples.photo[faces])
        photos.append(np.pad(used, (0, MAX_PHOTOS - len(used)), constant_values=-1))
    first = np.array([faces[0] for faces in members])
    return TrackMeans(
        np.stack(means),
        Evidence.joined(evidence),
        samples.identity[first],
        samples.group[first],
        samples.condition[first],
        np.stack(photos),
    )


def pairs_of(tracks: TrackMeans, seed: int = 0) -> Pairs:
    """All pairs of one person that share no photo, and a sample of the pairs of two people."""
    chance = np.random.default_rng(seed)
    one, other = np.triu_indices(len(tracks), 1)
    same = tracks.identity[one] == tracks.identity[other]
    one_group = tracks.group[one] == tracks.group[other]
    positives = np.flatnonzero(same)
    a, b = tracks.photos[one[positives], :, None], tracks.photos[other[positives], None, :]
    positives = positives[~((a == b) & (a >= 0)).any(axis=(1, 2))]
    chosen = [positives]
    for which, share in ((~same & one_group, 0.75), (~same & ~one_group, 0.25)):
        places = np.flatnonzero(which)
        wanted = min(len(places), round(share * DIFFERENT_PAIRS))
        chosen.append(chance.choice(places, wanted, replace=False))
    kept = np.concatenate(chosen)
    return Pairs(one[kept], other[kept], same[kept])


def weights_of(tracks: TrackMeans, pairs: Pairs, prior: float = PRIOR) -> Float64:
    """``(k,)`` weight of each pair; the sum is 1.

    Pairs of one person have the share of the prior, and each group has a weight by its number of
    people.
    """
    one, other = tracks.group[pairs.one], tracks.group[pairs.other]
    weights = np.zeros(len(pairs.one))
    one_group = one == other
    for name in np.unique(tracks.group):
        people = len(np.unique(tracks.identity[tracks.group == name]))
        for same in (True, False):
            which = one_group & (one == name) & (pairs.same == same)
            weights[which] = people / max(int(which.sum()), 1)
    across = ~one_group & ~pairs.same
    weights[across] = OTHER_GROUPS * weights[one_group & ~pairs.same].sum() / max(across.sum(), 1)
    share = 1 / (1 + np.exp(-prior))
    for same, total in ((True, share), (False, 1 - share)):
        which = pairs.same == same
        weights[which] *= total / max(weights[which].sum(), 1e-12)
    return weights


def cosines_of(tracks: TrackMeans, pairs: Pairs) -> Float64:
    """``(k,)`` cosine of each pair."""
    a, b = tracks.vectors[pairs.one], tracks.vectors[pairs.other]
    return np.asarray(np.einsum("ij,ij->i", a, b), np.float64)


def log_odds_of(tracks: TrackMeans, pairs: Pairs, calibration: Calibration) -> Float64:
    """``(k,)`` log-odds of each pair, at the usual prior."""
    one, other = tracks.evidence.pick(pairs.one), tracks.evidence.pick(pairs.other)
    return calibration.log_odds_of_pairs(cosines_of(tracks, pairs), one, other)


def fit(tracks: TrackMeans, pairs: Pairs) -> Calibration:
    """The calibration of maximum likelihood for these pairs, at the usual prior.

    Weighted logistic regression; a better face never lowers the reliability.
    """
    evidence = tracks.evidence
    features = np.stack(
        [
            np.log2((evidence.sharpness + SHARPNESS_FLOOR) / USUAL_SHARPNESS),
            np.log2(np.clip(evidence.face_px, 1.0, LARGEST_PX) / USUAL_PX),
            evidence.frontality - 1,
        ]
    )
    measured = ~np.isnan(evidence.commonness)
    common = COMMON if measured.all() else 0.0
    usual = float(evidence.commonness.mean()) if measured.all() else 0.0
    taken_off = common * evidence.agreement * np.where(measured, evidence.commonness, 0.0)
    a, b, weights = pairs.one, pairs.other, weights_of(tracks, pairs)
    cosine = cosines_of(tracks, pairs) * evidence.agreement[a] * evidence.agreement[b]
    cosine -= taken_off[a] + taken_off[b]
    sign = np.where(pairs.same, -1.0, 1.0)

    def loss(x: Float64) -> tuple[float, Float64]:
        slope, even, rise, base, each = np.exp(x[0]), x[1], x[2], x[3], x[4:]
        trust = 1 / (1 + np.exp(-(base + each @ features)))
        both = trust[a] * trust[b]
        above = cosine - even - rise * both
        odds = PRIOR + slope * both * above
        total = weights @ np.logaddexp(0, sign * odds) + RIDGE * each @ each
        of_odds = weights * sign / (1 + np.exp(-np.clip(sign * odds, -50, 50)))
        of_both = of_odds * slope * (above - rise * both)
        of_trust = np.bincount(a, of_both * trust[b], len(trust))
        of_trust += np.bincount(b, of_both * trust[a], len(trust))
        of_base = of_trust * trust * (1 - trust)
        gradient = [
            of_odds @ (odds - PRIOR),
            -slope * of_odds @ both,
            -slope * of_odds @ both**2,
            of_base.sum(),
            *(features @ of_base + 2 * RIDGE * each),
        ]
        return 1e3 * float(total), 1e3 * np.array(gradient)

    start = np.array([np.log(40.0), 0.1, 0.3, 1.0, 0.5, 0.1, 0.1])
    bounds = [(1.0, 6.0), (-0.5, 0.8), (0.0, 1.0), (-4.0, 4.0), *[(0.0, 4.0)] * 3]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    slope, *others = found.x.tolist()
    values = [float(f"{value:.3g}") for value in (np.exp(slope), *others, common, usual)]
    return Calibration(*values)
