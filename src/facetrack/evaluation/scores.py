"""How good identities are, by the measures that the field uses: TrackEval's, and purity.

TrackEval 1.3 (MIT) computes HOTA, MOTA and IDF1; of libraries that do, it is the one that is kept,
works with NumPy 2, and is what MOTChallenge itself counts by.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.core.boxes import iou_matrix
from facetrack.core.errors import UsageError
from facetrack.core.frame_range import FrameTimes
from facetrack.evaluation.labelled import Labelled

SAME_PLACE = 0.5
"""IoU from which two boxes are of one face; HOTA looks at all from 0.05 to 0.95 instead."""


@dataclass(frozen=True)
class Scores:
    """All but the counts from 0 to 1, 1 is best (MOTA may be below 0)."""

    idf1: float
    """Share of boxes whose identity is right, each true person being one found person."""
    mota: float
    """1 less misses, false alarms and identity switches, as shares of the true boxes."""
    hota: float
    """Geometric mean of finding faces (``deta``) and of keeping them apart (``assa``)."""
    deta: float
    assa: float
    purity: float
    """Of the time of all found people, what is of each one's chief true person."""
    coverage: float
    """Of the time of all true people, what is of each one's chief found person."""
    switches: int
    """Times that a true person goes on as another found one."""
    missed: int
    """True boxes that were not found."""
    extra: int
    """Boxes found where there is none."""


@dataclass(frozen=True)
class Compared:
    """Found boxes beside true ones."""

    scores: Scores
    true_ids: list[int]
    found_ids: list[int]
    together_s: NDArray[np.float64]
    """``(true, found)`` seconds in which a face of the one was found as the other."""


def compare(truth: Labelled, found: Labelled, frame_times: FrameTimes) -> Compared:
    """Scores what was found.

    Args:
        clock: how long each frame is on screen.

    Raises:
        UsageError: when TrackEval is not installed.
    """
    true_ids, true_of = np.unique(truth.ids, return_inverse=True)
    found_ids, found_of = np.unique(found.ids, return_inverse=True)
    frames = np.union1d(truth.frames, found.frames)
    together_s = np.zeros((len(true_ids), len(found_ids)))
    ids_true, ids_found, alike = [], [], []
    for frame, a, b in zip(
        frames.tolist(), truth.rows_of(frames), found.rows_of(frames), strict=True
    ):
        overlap = iou_matrix(truth.boxes[a], found.boxes[b])
        ids_true.append(true_of[a])
        ids_found.append(found_of[b])
        alike.append(overlap)
        rows, columns = linear_sum_assignment(-overlap)
        same = overlap[rows, columns] >= SAME_PLACE
        lasting_s = frame_times.at(frame + 1) - frame_times.at(frame)
        together_s[true_of[a][rows[same]], found_of[b][columns[same]]] += lasting_s
    scored = _by_trackeval(
        {
            "num_timesteps": len(frames),
            "num_gt_dets": len(truth),
            "num_tracker_dets": len(found),
            "num_gt_ids": len(true_ids),
            "num_tracker_ids": len(found_ids),
            "gt_ids": ids_true,
            "tracker_ids": ids_found,
            "similarity_scores": alike,
        }
    )
    purity, coverage = purity_and_coverage(together_s)
    scores = Scores(**scored, purity=purity, coverage=coverage)
    return Compared(scores, true_ids.tolist(), found_ids.tolist(), together_s)


def purity_and_coverage(together_s: NDArray[np.float64]) -> tuple[float, float]:
    """As diarisation has them (pyannote.metrics), with faces for voices.

    Of all time in which a true face was found, purity is the share that belongs to the true person
    whom each found person is most: 1 when no two people were joined. Coverage is the share that
    belongs to the found person whom each true person is most: 1 when nobody was split. What was
    missed, or is no face, counts in neither. 0 when nothing was found.

    Args:
        together_s: ``(true, found)`` seconds.
    """
    if not together_s.any():
        return 0.0, 0.0
    best = (together_s.max(axis=axis).sum() / together_s.sum() for axis in (0, 1))
    purity, coverage = (round(float(share), 12) for share in best)  # never 1 and a bit
    return purity, coverage


def _by_trackeval(data: dict[str, Any]) -> dict[str, Any]:
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ModuleNotFoundError as error:
        raise UsageError(
            f"evaluate needs the package {error.name}, which is missing; "
            "pip install 'facetrack[evaluate]'"
        ) from error
    settings = {"THRESHOLD": SAME_PLACE, "PRINT_CONFIG": False}
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
