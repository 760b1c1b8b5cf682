"""Measures a calibration on people who were not used for its fit."""

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
"""Share of pairs of two people that may be taken for one person, for ``Row.found``."""
BINS = 10
"""Ranges of probability in a report."""


@dataclass(frozen=True)
class Row:
    """The errors for pairs of one kind; shares are 0 to 1."""

    what: str
    """``photos`` (single faces), ``tracks``, or the name of a condition."""
    group: str
    """The group of both people; empty: pairs of all groups, each within one group."""
    same: int
    """Number of pairs of one person."""
    different: int
    """Number of pairs of two people."""
    joined: float
    """Share of different pairs with a probability of 0.5 or more: false joins."""
    missed: float
    """Share of same pairs with less."""
    found: float
    """Share of same pairs found at the limit at which 1 different pair in 1000 is joined."""
    equal_error: float
    """Share of errors at the limit at which as large a share of different pairs is joined as of
    same pairs is missed."""
    joined_at_99: float
    """Share of different pairs joined at the limit at which 99 % of the same are found."""


@dataclass(frozen=True)
class Reliability:
    """Pairs whose probability is in one range."""

    low: float
    high: float
    share: float
    """Weight of these pairs among all, at the usual prior."""
    said: float
    """Mean of their probabilities."""
    true: float
    """Share of them that is one person."""


@dataclass(frozen=True)
class Report:
    """How good a calibration is; ``facetrack calibrate`` prints it."""

    rows: tuple[Row, ...]
    bins: tuple[Reliability, ...]
    error: float
    """Expected calibration error: the mean distance of ``said`` and ``true`` over the ranges. A
    range is weighted by its pairs of one person, because nearly all pairs are surely of two
    people."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def report_on(singles: TrackMeans, tracks: TrackMeans, calibration: Calibration) -> Report:
    """Measures a calibration.

    Args:
        singles: single faces, under the conditions of ``SWEEP`` and others, of people who were not
            used for the fit.
        tracks: means over several faces of the same people.
        calibration: what is measured.
    """
    rows = []
    unchanged = np.flatnonzero(singles.condition == SWEEP[0].name)
    for what, means in (("photos", singles.pick(unchanged)), ("tracks", tracks)):
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
    positive, negative = np.sort(odds[which & same]), np.sort(odds[which & ~same])
    if not len(positive) or not len(negative):
        return None
    allowed = negative[len(negative) - 1 - int(FALSE_SHARE * len(negative))]
    levels = np.unique(np.concatenate([positive, negative]))
    missed = np.searchsorted(positive, levels) / len(positive)
    joined = 1 - np.searchsorted(negative, levels) / len(negative)
    equal = int(np.abs(missed - joined).argmin())
    return Row(
        what,
        group,
        len(positive),
        len(negative),
        float((negative >= 0).mean()),
        float((positive < 0).mean()),
        float((positive > allowed).mean()),
        float((missed[equal] + joined[equal]) / 2),
        float((negative >= positive[int(0.01 * len(positive))]).mean()),
    )


def equal_error(vectors: Float32, identity: NDArray[np.str_]) -> float:
    """Equal error of all pairs of embeddings by their cosine, 0 to 1.

    It is 1 where there are only pairs of one person, or only pairs of two.

    Args:
        vectors: ``(n, dim)`` of length one.
        identity: ``(n,)`` the person of each.
    """
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
