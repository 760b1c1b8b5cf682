"""Faces that go on across a cut: the cut may be none, as after a knock or a flash.

Such a face is at the same place, of the same size and looks the same. A cut to another shot of the
same person at the same place looks like that too: the person is the same, so one track is right.
"""

from collections.abc import Sequence

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.recognition.calibration import Calibration
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.track_embedding import SAME_SHOT_GAIN, evidence_of_crops
from facetrack.tracking.association import BRIEFLY_LOST, SAME_PLACE, mutual_best
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.tracks import Track

SURELY_THE_SAME = 2.0
"""Least log-odds that both faces are one person's, without a prior. Of successive faces in three
films the least were 4.0 for one person, the most 0.5 for two."""


def in_place(tracks: Sequence[Track], batch: DetectionBatch, frame: int) -> list[tuple[int, Track]]:
    """The faces of a frame that are where a track has just been, by their positions in the frame.

    Args:
        tracks: with the rows of all frames before.
        batch: holds the frame.
        frame: position of the frame in the batch.
    """
    earliest = int(batch.index[frame]) - 1 - BRIEFLY_LOST
    recent = [track for track in tracks if track.last_frame >= earliest]
    first, end = batch.starts[frame : frame + 2]
    if not recent or first == end:
        return []
    last = np.stack([track.rows["box"][-1] for track in recent])
    of_faces = mutual_best(iou_matrix(last, batch.boxes[first:end]), SAME_PLACE)
    return [(face, recent[i]) for face, i in enumerate(of_faces.tolist()) if i >= 0]


def is_the_same(a: FaceCrop, b: FaceCrop, calibration: Calibration) -> bool:
    """Whether two faces, with their embeddings, are surely one person's."""
    assert a.embedding is not None and b.embedding is not None
    cosine = np.array([[float(a.embedding @ b.embedding) - SAME_SHOT_GAIN]])
    of_a, of_b = evidence_of_crops([a]), evidence_of_crops([b])
    return float(calibration.log_odds(cosine, of_a, of_b, 0.0)[0, 0]) >= SURELY_THE_SAME
