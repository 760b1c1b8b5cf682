"""Log-odds that people, tracks and faces of one analysis are the same person."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import IdentitySettings
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet, places_of
from facetrack.identity.similarity import CalibratedScorer, PairScorer, scorer_of
from facetrack.recognition.calibration import Evidence
from facetrack.timeline import Analysis, Track
from facetrack.timeline.stored_settings import stored_setting

Float64 = NDArray[np.float64]


class PeopleSimilarity:
    """Compares the people and the tracks of an analysis that have embeddings.

    The log-odds of two groups of tracks are the mean over all pairs, weighted by the reliability of
    both tracks, as in ``identity.clustering``.
    """

    def __init__(self, analysis: Analysis, scorer: PairScorer | None = None) -> None:
        """``scorer``: None: by the calibration of the analysis' recogniser, even where the run
        joined tracks by cosine."""
        self.scorer = scorer or CalibratedScorer(analysis.recognizer.calibration)
        tracks = [t for t in analysis.tracks if t.id in analysis.embeddings]
        self.tracks = np.array([t.id for t in tracks], np.int64)
        """``(n,)`` track ids, in the order of all arrays here."""
        self.embeddings = embeddings_of(analysis, tracks)
        with_tracks = {t.person for t in tracks}
        self.people = [p.id for p in analysis.people if p.id in with_tracks]
        """Numbers of the people who have embeddings, in the order of the analysis."""
        persons = np.array([t.person for t in tracks], np.int64)
        self.of_person = dict(zip(self.people, places_of(persons, self.people), strict=True))
        """Person to the positions of their tracks."""
        self._groups = EmbeddingGroups(self.embeddings, list(self.of_person.values()), self.scorer)

    @cached_property
    def between_people(self) -> Float64:
        """``(people, people)`` log-odds of each two, in the order of ``people``."""
        return self._groups.log_odds()

    def between_tracks(self, some: NDArray[np.intp]) -> Float64:
        """``(n, n)`` log-odds of the tracks at ``(n,)`` positions."""
        faces = self.embeddings.pick(some)
        return self.scorer.log_odds(faces.vectors, faces.evidence, faces.vectors, faces.evidence)

    def between(self, some: NDArray[np.intp], others: NDArray[np.intp]) -> float:
        """Log-odds of two groups of tracks, by their positions; the lowest where one is empty."""
        one, other = (EmbeddingGroups(self.embeddings, [g], self.scorer) for g in (some, others))
        return float(one.log_odds(other=other)[0, 0])

    def weights(self, some: NDArray[np.intp]) -> Float64:
        """``(n,)`` reliability of the tracks at these positions, 0 to 1."""
        return self.scorer.reliability(self.embeddings.evidence.pick(some))

    def with_groups(self, others: EmbeddingGroups) -> Float64:
        """``(people, groups)`` log-odds of each person and each group of other faces."""
        return self._groups.log_odds(other=others)

    def of_face(self, face: EmbeddingSet) -> dict[int, float]:
        """Person to the log-odds that a face is theirs.

        Args:
            face: one embedding, by the analysis' recogniser.
        """
        if not self.people:
            return {}
        group = EmbeddingGroups(face, [np.arange(len(face))], self.scorer)
        return dict(zip(self.people, self.with_groups(group)[:, 0].tolist(), strict=True))


def scorer_of_analysis(analysis: Analysis) -> PairScorer:
    """The scorer that the run of this analysis used."""
    identity = IdentitySettings(
        probability=stored_setting(analysis, IdentitySettings, "probability"),
        threshold=stored_setting(analysis, IdentitySettings, "threshold"),
    )
    return scorer_of(analysis.recognizer.calibration, identity)


def embeddings_of(analysis: Analysis, tracks: list[Track]) -> EmbeddingSet:
    """The embeddings of tracks, each of which has one."""
    vectors = np.array([analysis.embeddings[t.id] for t in tracks], np.float32)
    return EmbeddingSet(
        vectors.reshape(-1, analysis.recognizer.dim),
        Evidence.joined([evidence_of_track(t) for t in tracks]),
    )


def evidence_of_track(track: Track) -> Evidence:
    """The evidence of a track's embedding; usual numbers where an older analysis stored none."""
    unknown = float("nan")
    return Evidence.of_track(
        track.faces,
        track.face_px,
        track.sharpness,
        track.frontality,
        unknown if track.agreement is None else track.agreement,
        unknown if track.commonness is None else track.commonness,
    )
