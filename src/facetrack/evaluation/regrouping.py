"""Groups the tracks of an analysis into people again, by stored embeddings and other settings."""

import numpy as np
import pyarrow as pa

from facetrack.core.settings import IdentitySettings
from facetrack.identity.cannot_link import cannot_link_pairs
from facetrack.identity.clustering import group_tracks
from facetrack.identity.embedding_groups import track_set
from facetrack.identity.people_similarity import embeddings_of
from facetrack.identity.similarity import scorer_of
from facetrack.timeline import FACE_COLUMNS, Analysis
from facetrack.timeline.stored_settings import stored_setting

PROBABILITIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
"""Cosines, for an analysis whose settings have one."""


def settings_to_compare(analysis: Analysis) -> list[IdentitySettings]:
    """Other probabilities, or other cosines if ``identity.threshold`` of the run was set."""
    if stored_setting(analysis, IdentitySettings, "threshold") is None:
        return [IdentitySettings(probability=p) for p in PROBABILITIES]
    return [IdentitySettings(threshold=t) for t in THRESHOLDS]


def regrouped(analysis: Analysis, identity: IdentitySettings) -> tuple[int, pa.Table]:
    """The people that these settings make of the same tracks.

    Args:
        identity: only ``probability`` and ``threshold`` are used.

    Returns:
        The number of people, and the analysis' faces with each one's new person (0: none).
    """
    tracks = sorted((t for t in analysis.tracks if t.id in analysis.embeddings), key=lambda t: t.id)
    ids = [t.id for t in tracks]
    embeddings = embeddings_of(analysis, tracks)
    scorer = scorer_of(analysis.recognizer.calibration, identity)
    cannot_link = cannot_link_pairs(analysis.faces, "track", ids)
    groups = group_tracks(track_set(embeddings, cannot_link, scorer))
    person_of = np.zeros(max((t.id for t in analysis.tracks), default=0) + 1, np.int32)
    for number, group in enumerate(groups, start=1):
        person_of[[ids[i] for i in group]] = number
    person = pa.array(person_of[analysis.faces["track"].to_numpy()], pa.int32())
    at = analysis.faces.column_names.index("person")
    return len(groups), analysis.faces.set_column(at, FACE_COLUMNS.field("person"), person)
