"""People again, from an analysis' stored embeddings: another threshold without another analysis."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from facetrack.analysis import FACE_COLUMNS, Analysis
from facetrack.identity.clustering import TrackSet, group_tracks
from facetrack.identity.similarity import ThresholdJudge
from facetrack.recognition.calibration import Evidence

THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def regrouped(analysis: Analysis, threshold: float) -> tuple[int, pa.Table]:
    """How many people there would be, and the faces with each one's person (0: nobody)."""
    tracks = sorted(analysis.embeddings)
    person_of = np.zeros(max((t.id for t in analysis.tracks), default=0) + 1, np.int32)
    groups: list[list[int]] = []
    if tracks:
        embeddings = np.stack([analysis.embeddings[t] for t in tracks])
        judge, evidence = (
            ThresholdJudge(threshold),
            Evidence.joined([Evidence.none()] * len(tracks)),
        )
        groups = group_tracks(
            TrackSet(
                embeddings,
                np.ones(len(tracks)),
                _together(analysis.faces, tracks),
                lambda some, others: judge.log_odds(
                    embeddings[some], evidence, embeddings[others], evidence
                ),
            )
        )
    for number, group in enumerate(groups, start=1):
        person_of[[tracks[i] for i in group]] = number
    person = pa.array(person_of[analysis.faces["track"].to_numpy()], pa.int32())
    at = analysis.faces.column_names.index("person")
    return len(groups), analysis.faces.set_column(at, FACE_COLUMNS.field("person"), person)


def _together(faces: pa.Table, tracks: list[int]) -> csr_array:
    """``(n, n)`` whether two tracks were seen in one and the same frame.

    A face that was interpolated may have been put into a gap, in which nothing was seen: these
    frames are left out, and every stretch with several faces has others.
    """
    seen = faces.filter(pc.not_equal(faces["source"], "interpolated"))
    place = np.full(max(tracks) + 1, -1)
    place[tracks] = np.arange(len(tracks))
    track, frame = seen["track"].to_numpy(), seen["frame"].to_numpy()
    ours = track <= max(tracks)
    ours[ours] = place[track[ours]] >= 0
    there = csr_array(
        (np.ones(ours.sum(), np.int32), (place[track[ours]], frame[ours])),
        shape=(len(tracks), int(frame.max(initial=0)) + 1),
    )
    return csr_array((there @ there.T) > 0)
