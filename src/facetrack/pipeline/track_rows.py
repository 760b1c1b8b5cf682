"""Turns tracks into rows of ``faces.parquet``, and decides which tracks are dropped."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.embedded_face import EmbeddedFace
from facetrack.recognition.track_embedding import mean_embedding
from facetrack.timeline import FACE_COLUMNS, Dropped
from facetrack.tracking.rows import RowsOfTrack, joined_rows

SURELY_A_FACE = 0.985
"""Median detection score from which a track is not checked by the recogniser: of hands, hair and
coats of arms in two films the highest was 0.970."""


def why_dropped(track: RowsOfTrack, settings: TrackingSettings) -> Dropped | None:
    """The reason for which a track is no person's; None: it is good enough.

    Only detected rows count, not those that bridge gaps.
    """
    rows = track.rows[track.detected]
    height = float((rows["box"][:, 3] - rows["box"][:, 1]).max())
    score = float(np.median(rows["score"].astype(np.float64)))
    if len(rows) < settings.min_frames:
        reason, detail = "too short", f"{len(rows)} frames, {settings.min_frames} needed"
    elif height < settings.min_size:
        reason, detail = "too small", f"{height:.0f} px at most, {settings.min_size:.0f} needed"
    elif score < settings.min_score:
        reason, detail = "unsure", f"median score {score:.3f}, {settings.min_score:.2f} needed"
    else:
        return None
    return Dropped(track.id, reason, detail, track.first_frame, track.last_frame)


def why_no_face(
    track: RowsOfTrack,
    faces: Sequence[EmbeddedFace],
    recognizer: str,
    calibration: Calibration,
    featureless: Float32,
) -> Dropped | None:
    """The reason for which a track shows no face; None: its embedding differs from those of crops
    without features. A track with a high detection score is not checked.

    Args:
        track: with its rows.
        faces: its embedded faces, one or more, in order of time.
        recognizer: name of the embedder.
        calibration: of the embedder.
        featureless: as ``FaceEmbedder.featureless``.
    """
    scores = track.rows["score"][track.detected]
    if float(np.median(scores)) >= SURELY_A_FACE:
        return None
    similarity = float(mean_embedding(faces, recognizer).vector @ featureless)
    limit = calibration.featureless
    if similarity < limit:
        return None
    detail = f"similarity {similarity:.2f} to crops without features, below {limit:.2f} needed"
    return Dropped(track.id, "not a face", detail, track.first_frame, track.last_frame)


def face_table(tracks: Sequence[RowsOfTrack], person_of: dict[int, int]) -> pa.Table:
    """The table ``FACE_COLUMNS`` of all tracks, ordered by frame, then by track.

    Args:
        tracks: in ascending order of their ids.
        person_of: person of a track by its id; others are 0.
    """
    rows = joined_rows([t.rows for t in tracks])
    lengths = [len(t.rows) for t in tracks]
    track = np.repeat(np.array([t.id for t in tracks], np.int32), lengths)
    person = np.repeat(np.array([person_of.get(t.id, 0) for t in tracks], np.int32), lengths)
    order = np.argsort(rows["frame"], kind="stable")
    rows = rows[order]
    columns = [
        pa.array(np.ascontiguousarray(column))
        for column in (
            rows["frame"],
            rows["time_s"],
            track[order],
            person[order],
            *rows["box"].T,
            rows["score"],
        )
    ]
    points = pa.array(rows["landmarks"].reshape(-1))
    columns += [pa.FixedSizeListArray.from_arrays(points, 10), pa.array(rows["source"])]
    return pa.Table.from_arrays(columns, schema=FACE_COLUMNS)
