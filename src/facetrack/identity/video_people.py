"""What is needed of each video to join its people with those of others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetrack.core.types import Float32
from facetrack.identity.cannot_link import seen_together
from facetrack.identity.editing import thumbnail_sharpness
from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.identity.people_similarity import embeddings_of
from facetrack.timeline import Analysis, Interval, Person, RecognizerInfo

MOST_TRACKS = 16
"""Tracks of a person that are compared, the best ones: all pairs of thousands in two videos would
take minutes and tell nothing new."""


@dataclass(frozen=True)
class VideoPeople:
    """What is needed of one video: its people, not its faces."""

    folder: Path
    source: str
    recognizer: RecognizerInfo
    probability: float
    """From which two tracks were one person."""
    threshold: float | None
    """Cosine that the user set instead."""
    people: list[Person]
    intervals: list[Interval]
    embeddings: dict[int, EmbeddingSet]
    """Person to their best tracks, ``MOST_TRACKS`` at most; whoever has none is missing."""
    sharpness: dict[int, float]
    """Of their pictures."""
    apart: set[tuple[int, int]]
    """Pairs seen in one frame."""

    @classmethod
    def of(cls, folder: Path, analysis: Analysis) -> "VideoPeople":
        identity = analysis.settings["identity"]
        # Until 0.1 every run had a threshold, whether the user wanted one or not.
        chosen = identity.get("threshold") if "probability" in identity else None
        return cls(
            folder,
            str(analysis.info.path),
            analysis.recognizer,
            identity.get("probability", 0.5),
            chosen,
            analysis.people,
            analysis.intervals,
            best_tracks(analysis),
            {p: thumbnail_sharpness(jpeg) for p, jpeg in analysis.thumbnails.items()},
            people_seen_together(analysis),
        )


def best_tracks(analysis: Analysis) -> dict[int, EmbeddingSet]:
    """Person to the embeddings of their most reliable tracks, ``MOST_TRACKS`` at most."""
    tracks = [t for t in analysis.tracks if t.person and t.id in analysis.embeddings]
    embeddings = embeddings_of(analysis, tracks)
    trust = analysis.recognizer.calibration.reliability(embeddings.evidence)
    person = np.array([t.person for t in tracks], np.int64)
    order = np.argsort(-trust, kind="stable")
    return {
        p: embeddings.pick(np.sort(order[person[order] == p][:MOST_TRACKS]))
        for p in np.unique(person).tolist()
    }


def people_seen_together(analysis: Analysis) -> set[tuple[int, int]]:
    """Pairs of people, the smaller number first, who were both seen in some frame."""
    numbers = sorted(p.id for p in analysis.people)
    rows, columns = seen_together(analysis.faces, "person", numbers).nonzero()
    places = zip(rows.tolist(), columns.tolist(), strict=True)
    return {(numbers[i], numbers[j]) for i, j in places if i < j}


def mean_of(vectors: Float32) -> Float32:
    """``(dim,)``; zeros of none."""
    return np.asarray(vectors.sum(axis=0) / max(len(vectors), 1), np.float32)
