"""The one call that compares an analysis with the truth."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from facetrack.core.errors import InputError
from facetrack.evaluation.labelled import Labelled
from facetrack.evaluation.regrouping import others_of, regrouped
from facetrack.evaluation.scores import Compared, Scores, compare
from facetrack.evaluation.truth import read_truth
from facetrack.exports.mot import faces_of_people
from facetrack.exports.person_ranges import frame_times_of
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class AtThreshold:
    """What another ``identity.probability`` would have made of the same tracks, or another
    ``identity.threshold`` where the run was given one."""

    probability: float | None
    """None where the cosine decides."""
    threshold: float | None
    """A cosine; None where the probability decides."""
    people: int
    scores: Scores


@dataclass(frozen=True)
class Evaluation:
    """How good an analysis is, and who was taken for whom."""

    frames: int
    """Compared: all that were analysed."""
    left_out: int
    """True boxes of frames that were not analysed."""
    people: int
    """In the truth."""
    by_person: Scores
    """Identity over the whole video: what users see."""
    by_track: Scores
    """Each track an identity of its own: what tracking gives before people are recognised."""
    pairs: list[tuple[int, int, float]]
    """True person, found person, and the seconds in which the one was found as the other."""
    thresholds: list[AtThreshold]
    """Empty when they were not asked for."""

    def to_dict(self) -> dict[str, Any]:
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
    """Compares an analysis with who really is where.

    Args:
        truth: file that ``read_truth`` reads.
        thresholds: also what other probabilities, or cosines, would have made of the same tracks.

    Raises:
        InputError: when the truth cannot be read, or says nothing of the analysed frames.
        UsageError: when TrackEval is not installed.
    """
    frame_times = frame_times_of(analysis)
    everything = read_truth(Path(truth))
    wanted = everything.intersection(*frame_times.whole)
    if not len(wanted):
        raise InputError(
            f"{truth}: no box in the frames {frame_times.whole[0]} to {frame_times.whole[1] - 1}"
        )
    known = analysis.faces.filter(pc.greater(analysis.faces["person"], 0))
    by_person = compare(wanted, _of_people(known), frame_times)
    return Evaluation(
        frames=len(analysis.frame_times),
        left_out=len(everything) - len(wanted),
        people=len(by_person.true_ids),
        by_person=by_person.scores,
        by_track=compare(wanted, Labelled.of_faces(known, "track"), frame_times).scores,
        pairs=_pairs(by_person),
        thresholds=[
            AtThreshold(
                other.probability if other.threshold is None else None,
                other.threshold,
                people,
                compare(wanted, _of_people(faces), frame_times).scores,
            )
            for other in (others_of(analysis) if thresholds else ())
            for people, faces in [regrouped(analysis, other)]
        ],
    )


def _of_people(faces: Any) -> Labelled:
    return Labelled.of_faces(faces_of_people(faces), "person")


def _pairs(compared: Compared) -> list[tuple[int, int, float]]:
    return [
        (compared.true_ids[i], compared.found_ids[j], round(float(compared.together_s[i, j]), 3))
        for i, j in np.argwhere(compared.together_s).tolist()
    ]
