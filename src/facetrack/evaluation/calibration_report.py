"""How well a calibration does on people who were not used for it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.evaluation.calibrate import (
    Float64,
    Mask,
    Pairs,
    TrackMeans,
    log_odds_of,
    pairs_of,
    weights_of,
)
from facetrack.evaluation.degraded import SWEEP
from facetrack.recognition.calibration import Calibration

FALSE_SHARE = 1e-3
BINS = 10


@dataclass(frozen=True)
class Row:
    """Pairs of one kind; shares are 0 to 1."""

    what: str
    """Single faces, tracks, or a condition."""
    group: str
    """Of both people; empty: of any one group."""
    same: int
    different: int
    joined: float
    """Share of different pairs with a probability of 0.5 or more: false joins."""
    missed: float
    """Share of same pairs with less."""
    found: float
    """Share of same pairs found, where 1 different pair in 1000 may be taken for the same."""
    equal_error: float
    """Where as many different pairs are joined as same ones are missed."""
    joined_at_99: float
    """Share of different pairs joined, where 99 % of the same are found."""


@dataclass(frozen=True)
class Reliability:
    """Pairs whose probability lies in a range."""

    low: float
    high: float
    share: float
    """Of all pairs, at the usual prior."""
    said: float
    """Their mean probability."""
    true: float
    """Share that is one person."""


@dataclass(frozen=True)
class Report:
    """What ``facetrack calibrate`` prints."""

    rows: tuple[Row, ...]
    bins: tuple[Reliability, ...]
    error: float
    """Mean distance between what is said and what is true, where each range counts as much as it
    has pairs of one person: nearly all pairs are of two people, and sure."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def report_on(singles: TrackMeans, tracks: TrackMeans, calibration: Calibration) -> Report:
    """Of people who were not used for the fit.

    Args:
        singles: faces, each for itself, under the conditions of ``SWEEP`` and others.
        tracks: means over several.
        calibration: what is judged.
    """
    rows = []
    as_they_are = np.flatnonzero(singles.condition == SWEEP[0].name)
    for what, means in (("photos", singles.pick(as_they_are)), ("tracks", tracks)):
        pairs = pairs_of(means)
        odds = log_odds_of(means, pairs, calibration)
        within = means.group[pairs.one] == means.group[pairs.other]
        for group in ["", *np.unique(means.group).tolist()]:
            which = within & (means.group[pairs.one] == group) if group else within
            rows.append(_row(what, group, odds, pairs.same, which))
    for condition in SWEEP[1:]:
        filmed = singles.pick(np.flatnonzero(singles.condition == condition.name))
        pairs = pairs_of(filmed)
        within = filmed.group[pairs.one] == filmed.group[pairs.other]
        odds = log_odds_of(filmed, pairs, calibration)
        rows.append(_row(condition.name, "", odds, pairs.same, within))
    bins, error = _reliability(tracks, pairs_of(tracks), calibration)
    return Report(tuple(row for row in rows if row is not None), bins, error)


def _row(what: str, group: str, odds: Float64, same: Mask, which: Mask) -> Row | None:
    alike, different = np.sort(odds[which & same]), np.sort(odds[which & ~same])
    if not len(alike) or not len(different):
        return None
    allowed = different[len(different) - 1 - int(FALSE_SHARE * len(different))]
    levels = np.unique(np.concatenate([alike, different]))
    missed = np.searchsorted(alike, levels) / len(alike)
    joined = 1 - np.searchsorted(different, levels) / len(different)
    equal = int(np.abs(missed - joined).argmin())
    return Row(
        what,
        group,
        len(alike),
        len(different),
        float((different >= 0).mean()),
        float((alike < 0).mean()),
        float((alike > allowed).mean()),
        float((missed[equal] + joined[equal]) / 2),
        float((different >= alike[int(0.01 * len(alike))]).mean()),
    )


def equal_error(vectors: Float32, identity: NDArray[np.str_]) -> float:
    """Of all pairs of ``(n, dim)`` unit embeddings by their cosine, 0 to 1; 1 without two kinds."""
    one, other = np.triu_indices(len(vectors), 1)
    cosines = np.einsum("ij,ij->i", vectors[one], vectors[other]).astype(np.float64)
    row = _row("", "", cosines, identity[one] == identity[other], np.ones(len(one), np.bool_))
    return 1.0 if row is None else row.equal_error


def _reliability(
    tracks: TrackMeans, pairs: Pairs, calibration: Calibration
) -> tuple[tuple[Reliability, ...], float]:
    odds = np.clip(log_odds_of(tracks, pairs, calibration), -50, 50)
    said, weights = 1 / (1 + np.exp(-odds)), weights_of(tracks, pairs)
    bins, errors, counts = [], [], []
    for i in range(BINS):
        low, high = i / BINS, (i + 1) / BINS
        which = (said >= low) & ((said < high) | (i == BINS - 1))
        share = float(weights[which].sum())
        if share > 0:
            mean = float(weights[which] @ said[which]) / share
            true = float(weights[which] @ pairs.same[which]) / share
            bins.append(Reliability(low, high, share, mean, true))
            errors.append(abs(mean - true))
            counts.append(float(weights[which & pairs.same].sum()))
    error = float(np.average(errors, weights=counts)) if sum(counts) else 0.0
    return tuple(bins), error
