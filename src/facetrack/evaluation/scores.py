"""Scores of identities as the literature has them: TrackEval's, and purity and coverage.

TrackEval 1.3 (MIT) computes HOTA, MOTA and IDF1. It is the library that MOTChallenge itself uses,
it is maintained, and it works with NumPy 2.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.errors import UsageError
from facetrack.core.frame_range import FrameTimes
from facetrack.evaluation.truth import LabelledBoxes

MIN_IOU = 0.5
"""IoU from which two boxes match. HOTA instead takes the mean over 0.05 to 0.95."""


@dataclass(frozen=True)
class Scores:
    """Scores from 0 to 1, where 1 is best (MOTA can be below 0), and counts."""

    idf1: float
    """Share of boxes with the right identity, if each true person matches one found person."""
    mota: float
    """1 minus missed boxes, extra boxes and identity switches, as shares of the true boxes."""
    hota: float
    """Geometric mean of ``deta`` and ``assa`` at each IoU, then the mean over the IoUs."""
    deta: float
    """How well faces are found."""
    assa: float
    """How well boxes of the same person are associated."""
    purity: float
    """Share of time that belongs to each found person's main true person; 1: nobody was merged."""
    coverage: float
    """Share of time that belongs to each true person's main found person; 1: nobody was split."""
    switches: int
    """Number of times that the found identity of a true person changes."""
    missed: int
    """Number of true boxes that were not found."""
    extra: int
    """Number of found boxes without a true box."""


@dataclass(frozen=True)
class Comparison:
    """Scores, and which true person was found as which person for how long."""

    scores: Scores
    true_ids: list[int]
    """Ascending: the rows of ``matched_s``."""
    found_ids: list[int]
    """Ascending: the columns of ``matched_s``."""
    matched_s: NDArray[np.float64]
    """``(true, found)`` seconds in which boxes of the two match."""


def compare(truth: LabelledBoxes, found: LabelledBoxes, frame_times: FrameTimes) -> Comparison:
    """Scores found boxes against true ones.

    Args:
        truth: the true boxes.
        found: the found boxes.
        frame_times: of all frames that have boxes.

    Raises:
        UsageError: when TrackEval is not installed.
    """
    true_ids, true_of = np.unique(truth.ids, return_inverse=True)
    found_ids, found_of = np.unique(found.ids, return_inverse=True)
    frames = np.union1d(truth.frames, found.frames)
    matched_s = np.zeros((len(true_ids), len(found_ids)))
    ids_true, ids_found, overlaps = [], [], []
    for frame, a, b in zip(
        frames.tolist(), truth.rows_of(frames), found.rows_of(frames), strict=True
    ):
        overlap = iou_matrix(truth.boxes[a], found.boxes[b])
        ids_true.append(true_of[a])
        ids_found.append(found_of[b])
        overlaps.append(overlap)
        rows, columns = linear_sum_assignment(-overlap)
        same = overlap[rows, columns] >= MIN_IOU
        shown_s = frame_times.at(frame + 1) - frame_times.at(frame)
        matched_s[true_of[a][rows[same]], found_of[b][columns[same]]] += shown_s
    scored = _by_trackeval(
        {
            "num_timesteps": len(frames),
            "num_gt_dets": len(truth),
            "num_tracker_dets": len(found),
            "num_gt_ids": len(true_ids),
            "num_tracker_ids": len(found_ids),
            "gt_ids": ids_true,
            "tracker_ids": ids_found,
            "similarity_scores": overlaps,
        }
    )
    purity, coverage = purity_and_coverage(matched_s)
    scores = Scores(**scored, purity=purity, coverage=coverage)
    return Comparison(scores, true_ids.tolist(), found_ids.tolist(), matched_s)


def purity_and_coverage(matched_s: NDArray[np.float64]) -> tuple[float, float]:
    """Purity and coverage of speaker diarisation (pyannote.metrics), for faces.

    All time in which true faces were found is counted. The main true person of a found person is
    the one with the most time in it. Purity is the share of time of the main true persons: 1 when
    no two people were merged. Coverage is the same with true and found exchanged: 1 when no person
    was split. Missed and extra boxes do not count. Both are 0 when nothing was found.

    Args:
        matched_s: ``(true, found)`` seconds in which boxes of the two match.
    """
    if not matched_s.any():
        return 0.0, 0.0
    best = (matched_s.max(axis=axis).sum() / matched_s.sum() for axis in (0, 1))
    purity, coverage = (round(float(share), 12) for share in best)  # never above 1
    return purity, coverage


def _by_trackeval(data: dict[str, Any]) -> dict[str, Any]:
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ModuleNotFoundError as error:
        raise UsageError(
            f"evaluate needs the package {error.name}, which is missing; "
            "pip install 'facetrack[evaluate]'"
        ) from error
    settings = {"THRESHOLD": MIN_IOU, "PRINT_CONFIG": False}
    hota = HOTA().eval_sequence(data)
    clear = CLEAR(settings).eval_sequence(data)
    return {
        "idf1": float(Identity(settings).eval_sequence(data)["IDF1"]),
        "mota": float(clear["MOTA"]),
        **{name.lower(): float(np.mean(hota[name])) for name in ("HOTA", "DetA", "AssA")},
        "switches": int(clear["IDSW"]),
        "missed": int(clear["CLR_FN"]),
        "extra": int(clear["CLR_FP"]),
    }
