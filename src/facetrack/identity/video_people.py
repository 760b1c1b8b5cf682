"""The people of one video, as far as they are needed to join them with those of other videos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetrack.core.settings import IdentitySettings
from facetrack.identity.cannot_link import cannot_link_people
from facetrack.identity.editing import thumbnail_sharpness
from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.identity.people_similarity import embeddings_of
from facetrack.timeline import Analysis, Interval, Person, RecognizerInfo
from facetrack.timeline.stored_settings import stored_setting

MAX_TRACKS = 16
"""Tracks of a person that are compared, the most reliable ones: all pairs of thousands of tracks in
two videos would take minutes and change nothing."""


@dataclass(frozen=True)
class VideoPeople:
    """The people of a video with their embeddings, without its faces."""

    folder: Path
    """Folder of the analysis."""
    source: str
    """Path of the video."""
    recognizer: RecognizerInfo
    probability: float
    """Probability from which the run joined two tracks."""
    threshold: float | None
    """Cosine that the user set instead; None: none."""
    people: list[Person]
    intervals: list[Interval]
    embeddings: dict[int, EmbeddingSet]
    """Person to their most reliable tracks, ``MAX_TRACKS`` at most; people without an embedding are
    missing."""
    sharpness: dict[int, float]
    """Person to the sharpness of their thumbnail, 0 to 1."""
    cannot_link: set[tuple[int, int]]
    """Pairs of people who share a frame, the smaller number first."""

    @classmethod
    def of(cls, folder: Path, analysis: Analysis) -> "VideoPeople":
        """The people of an analysis; ``folder``: where it is stored."""
        threshold = stored_setting(analysis, IdentitySettings, "threshold")
        # Version 0.1 stored a threshold with every run, even where the user had set none.
        has_probability = "probability" in analysis.settings.get("identity", {})
        return cls(
            folder,
            str(analysis.info.path),
            analysis.recognizer,
            stored_setting(analysis, IdentitySettings, "probability"),
            threshold if has_probability else None,
            analysis.people,
            analysis.intervals,
            best_tracks(analysis),
            {p: thumbnail_sharpness(jpeg) for p, jpeg in analysis.thumbnails.items()},
            cannot_link_people(analysis),
        )


def best_tracks(analysis: Analysis) -> dict[int, EmbeddingSet]:
    """Person to the embeddings of their most reliable tracks, ``MAX_TRACKS`` at most."""
    tracks = [t for t in analysis.tracks if t.person and t.id in analysis.embeddings]
    embeddings = embeddings_of(analysis, tracks)
    trust = analysis.recognizer.calibration.reliability(embeddings.evidence)
    person = np.array([t.person for t in tracks], np.int64)
    order = np.argsort(-trust, kind="stable")
    return {
        p: embeddings.pick(np.sort(order[person[order] == p][:MAX_TRACKS]))
        for p in np.unique(person).tolist()
    }
