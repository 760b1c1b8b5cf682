"""Compares an analysis with the truth: who really is on screen where."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facetrack.core.errors import InputError
from facetrack.evaluation.regrouping import regrouped, settings_to_compare
from facetrack.evaluation.scores import Comparison, Scores, compare
from facetrack.evaluation.truth import LabelledBoxes, read_truth
from facetrack.exports.mot import faces_of_people
from facetrack.exports.person_ranges import frame_times_of
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class AtThreshold:
    """Scores of the same tracks with another ``identity.probability`` or ``identity.threshold``.

    The threshold is varied only if the run set one.
    """

    probability: float | None
    """None where the threshold is varied."""
    threshold: float | None
    """A cosine; None where the probability is varied."""
    people: int
    """Number of people found."""
    scores: Scores


@dataclass(frozen=True)
class Evaluation:
    """Scores of an analysis, and which person was found as which."""

    frames: int
    """Number of frames compared: all that were analysed."""
    left_out: int
    """Number of true boxes in frames that were not analysed."""
    people: int
    """Number of people in the truth."""
    by_person: Scores
    """With the person as identity, over the whole video: what users see."""
    by_track: Scores
    """With the track as identity: the result of tracking before people are recognised."""
    pairs: list[tuple[int, int, float]]
    """True person, found person, and the seconds in which the first was found as the second."""
    thresholds: list[AtThreshold]
    """Empty unless requested."""

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as ``facetrack evaluate --json`` prints it."""
        return {
            "frames": self.frames,
            "left_out": self.left_out,
            "people": self.people,
            "by_person": asdict(self.by_person),
            "by_track": asdict(self.by_track),
            "pairs": [
                {"truth": true, "person": found, "seconds": seconds}
                for true, found, seconds in self.pairs
            ],
            "thresholds": [
                {
                    "probability": t.probability,
                    "threshold": t.threshold,
                    "people": t.people,
                    **asdict(t.scores),
                }
                for t in self.thresholds
            ],
        }


def evaluate(
    analysis: Analysis, truth: str | os.PathLike[str], *, thresholds: bool = False
) -> Evaluation:
    """Compares an analysis with the truth.

    Args:
        truth: MOTChallenge text, a table of faces (``.parquet``, ``.csv``), or the folder of an
            analysis that was corrected.
        thresholds: also score other values of ``identity.probability``, or of
            ``identity.threshold`` if the run set one.

    Raises:
        InputError: when the truth cannot be read, or has no box in the analysed frames.
        UsageError: when TrackEval is not installed.
    """
    frame_times = frame_times_of(analysis)
    whole_truth = read_truth(Path(truth))
    wanted = whole_truth.intersection(*frame_times.whole)
    if not len(wanted):
        raise InputError(
            f"{truth}: no box in the frames {frame_times.whole[0]} to {frame_times.whole[1] - 1}"
        )
    of_people = analysis.faces.filter(pc.greater(analysis.faces["person"], 0))
    by_person = compare(wanted, _person_boxes(of_people), frame_times)
    return Evaluation(
        frames=len(analysis.frame_times),
        left_out=len(whole_truth) - len(wanted),
        people=len(by_person.true_ids),
        by_person=by_person.scores,
        by_track=compare(wanted, LabelledBoxes.of_faces(of_people, "track"), frame_times).scores,
        pairs=_pairs(by_person),
        thresholds=[
            AtThreshold(
                other.probability if other.threshold is None else None,
                other.threshold,
                people,
                compare(wanted, _person_boxes(faces), frame_times).scores,
            )
            for other in (settings_to_compare(analysis) if thresholds else ())
            for people, faces in [regrouped(analysis, other)]
        ],
    )


def _person_boxes(faces: pa.Table) -> LabelledBoxes:
    return LabelledBoxes.of_faces(faces_of_people(faces), "person")


def _pairs(comparison: Comparison) -> list[tuple[int, int, float]]:
    true_ids, found_ids, seconds = comparison.true_ids, comparison.found_ids, comparison.matched_s
    return [
        (true_ids[i], found_ids[j], round(float(seconds[i, j]), 3))
        for i, j in np.argwhere(seconds).tolist()
    ]
