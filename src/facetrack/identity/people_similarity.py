"""How probable it is that people, tracks and faces of an analysis are one."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import IdentitySettings
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet, places_of
from facetrack.identity.similarity import CalibratedJudge, Judge, judge_of
from facetrack.recognition.calibration import Evidence
from facetrack.timeline import Analysis, Track

Float64 = NDArray[np.float64]


class PeopleSimilarity:
    """Of one analysis: the people and tracks that have embeddings.

    The log-odds of two groups of tracks are the mean over all pairs, a pair weighing as much as its
    faces are worth: what ``identity.clustering`` joins by.
    """

    def __init__(self, analysis: Analysis, judge: Judge | None = None) -> None:
        """``judge``: None: by the calibration of the analysis' recogniser, whatever the run joined
        by."""
        self.judge = judge or CalibratedJudge(analysis.recognizer.calibration)
        tracks = [t for t in analysis.tracks if t.id in analysis.embeddings]
        self.tracks = np.array([t.id for t in tracks], np.int64)
        """``(n,)`` track ids, in the order of all arrays here."""
        self.embeddings = embeddings_of(analysis, tracks)
        there = {t.person for t in tracks}
        self.people = [p.id for p in analysis.people if p.id in there]
        """Numbers of people who have embeddings, in the analysis' order."""
        persons = np.array([t.person for t in tracks], np.int64)
        self.of_person = dict(zip(self.people, places_of(persons, self.people), strict=True))
        """Places of each person's tracks."""
        self._groups = EmbeddingGroups(self.embeddings, list(self.of_person.values()), self.judge)

    @cached_property
    def between_people(self) -> Float64:
        """``(people, people)`` log-odds of each two, in the order of ``people``."""
        return self._groups.log_odds()

    def between_tracks(self, some: NDArray[np.intp]) -> Float64:
        """``(n, n)`` log-odds of tracks, by their places."""
        faces = self.embeddings.pick(some)
        return self.judge.log_odds(faces.vectors, faces.evidence, faces.vectors, faces.evidence)

    def between(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> float:
        """Log-odds of two groups of tracks, by their places; ``-MOST`` where one is empty."""
        one, other = (EmbeddingGroups(self.embeddings, [g], self.judge) for g in (some, others))
        return float(one.log_odds(other=other)[0, 0])

    def weights(self, some: NDArray[np.intp]) -> Float64:
        """``(n,)`` how much each of these tracks is worth, 0 to 1."""
        return self.judge.reliability(self.embeddings.evidence.pick(some))

    def with_groups(self, others: EmbeddingGroups) -> Float64:
        """``(people, groups)`` log-odds of each person and each group of other faces."""
        return self._groups.log_odds(other=others)

    def of_face(self, face: EmbeddingSet) -> dict[int, float]:
        """Each person's log-odds to be the one of a face.

        ``face``: one embedding, by the analysis' recogniser.
        """
        if not self.people:
            return {}
        group = EmbeddingGroups(face, [np.arange(len(face))], self.judge)
        return dict(zip(self.people, self.with_groups(group)[:, 0].tolist(), strict=True))


def judge_of_analysis(analysis: Analysis) -> Judge:
    """As the run judged that made the analysis."""
    stored = analysis.settings["identity"]
    identity = IdentitySettings(
        probability=stored.get("probability", 0.5), threshold=stored.get("threshold")
    )
    return judge_of(analysis.recognizer.calibration, identity)


def embeddings_of(analysis: Analysis, tracks: list[Track]) -> EmbeddingSet:
    """Of these tracks, each of which has one."""
    vectors = np.array([analysis.embeddings[t.id] for t in tracks], np.float32)
    return EmbeddingSet(
        vectors.reshape(-1, analysis.recognizer.dim),
        Evidence.joined([evidence_of(t) for t in tracks]),
    )


def evidence_of(track: Track) -> Evidence:
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
