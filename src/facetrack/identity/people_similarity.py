"""How probable it is that people, tracks and faces of an analysis are one, as runs judged it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.analysis import Analysis, TrackSummary
from facetrack.identity.clustering import LEAST_WEIGHT
from facetrack.identity.similarity import MOST, Judge, judge_of
from facetrack.recognition.calibration import Evidence
from facetrack.settings import IdentitySettings
from facetrack.types import Float32

Float64 = NDArray[np.float64]


class PeopleSimilarity:
    """Of one analysis: its tracks that have embeddings, judged by its own recogniser.

    The log-odds of two groups of tracks are the mean over all pairs, a pair weighing as much as its
    faces are worth: what ``identity.clustering`` joins by. Above 0 two are taken for one person.
    """

    def __init__(self, analysis: Analysis) -> None:
        tracks = [t for t in analysis.tracks if t.id in analysis.embeddings]
        dim = analysis.recognizer.dim
        self.judge = judge_of_analysis(analysis)
        self.tracks = [t.id for t in tracks]
        """Track ids, in the order of all arrays here."""
        self.person = np.array([t.person for t in tracks], np.int64)
        """``(n,)``; 0: nobody."""
        self.vectors = np.array([analysis.embeddings[t] for t in self.tracks], np.float32)
        self.vectors = self.vectors.reshape(-1, dim)
        self.evidence = Evidence.joined([evidence_of(t) for t in tracks])
        self.weights = np.maximum(self.judge.reliability(self.evidence), LEAST_WEIGHT)

    def log_odds(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> Float64:
        """``(n, m)`` of pairs of tracks, by their places."""
        return self.judge.log_odds(
            self.vectors[some], self.evidence.pick(some),
            self.vectors[others], self.evidence.pick(others),
        )  # fmt: skip

    def of_person(self, person: int) -> NDArray[np.intp]:
        """Places of the person's tracks."""
        return np.flatnonzero(self.person == person)

    def between(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> float:
        """Log-odds of two groups of tracks; -8 where one is empty."""
        if not len(some) or not len(others):
            return -MOST
        weights = np.outer(self.weights[some], self.weights[others])
        return float((weights * self.log_odds(some, others)).sum() / weights.sum())

    def of_face(self, vector: Float32, evidence: Evidence) -> dict[int, float]:
        """Each person's log-odds to be the one of a face.

        Args:
            vector: ``(dim,)`` of length one, by the analysis' recogniser.
            evidence: how good the face is.
        """
        if not len(self.tracks):
            return {}
        odds = self.judge.log_odds(vector[None], evidence, self.vectors, self.evidence)[0]
        found = {}
        for person in np.unique(self.person[self.person > 0]).tolist():
            mine = self.of_person(person)
            weights = self.weights[mine]
            found[person] = float(weights @ odds[mine] / weights.sum())
        return found


def judge_of_analysis(analysis: Analysis) -> Judge:
    """As the run judged that made the analysis."""
    stored = analysis.settings["identity"]
    identity = IdentitySettings(
        probability=stored.get("probability", 0.5), threshold=stored.get("threshold")
    )
    return judge_of(analysis.recognizer.calibration, identity)


def evidence_of(track: TrackSummary) -> Evidence:
    """What is behind a track's embedding; of an older analysis what is usual."""
    unknown = float("nan")
    return Evidence.of_track(
        track.faces,
        track.face_px,
        track.sharpness,
        track.frontality,
        unknown if track.agreement is None else track.agreement,
        unknown if track.commonness is None else track.commonness,
    )


def probability(log_odds: float) -> float:
    """0 to 1."""
    return float(1 / (1 + np.exp(-log_odds)))


def together(analysis: Analysis, people: Sequence[int]) -> dict[int, NDArray[np.int32]]:
    """The frames in which each of these people was detected."""
    faces = analysis.faces
    seen = faces["source"].to_numpy(zero_copy_only=False) != "interpolated"
    frame, person_of = faces["frame"].to_numpy()[seen], faces["person"].to_numpy()[seen]
    return {person: np.unique(frame[person_of == person]) for person in people}
