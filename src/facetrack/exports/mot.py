"""MOTChallenge text, which TrackEval, motmetrics and annotation tools read and write.

One line per face: frame, id, left, top, width, height, confidence, -1, -1, -1. Frames, ids and
pixels count from 1, as the format requires. The id is the person over the whole video. Faces
without a person are left out.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facetrack.timeline import Analysis, boxes_of

FIRST = 1
"""The format counts frames and pixels from this number."""
LINE = "%d,%d,%.3f,%.3f,%.3f,%.3f,%.4f,%d,%d,%d"


class MotExporter:
    """MOTChallenge text."""

    name = "mot"
    suffix = ".mot.txt"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one line per face of a person."""
        faces = faces_of_people(analysis.faces)
        boxes = boxes_of(faces).astype(np.float64)
        world = np.full((len(boxes), 3), -1)
        columns = (
            faces["frame"].to_numpy() + FIRST,
            faces["person"].to_numpy(),
            boxes[:, :2] + FIRST,
            boxes[:, 2:] - boxes[:, :2],
            faces["score"].to_numpy(),
            world,
        )
        with path.open("w", encoding="ascii", newline="\n") as file:
            np.savetxt(file, np.column_stack(columns), LINE)


def faces_of_people(faces: pa.Table) -> pa.Table:
    """Faces that have a person, sorted by frame and person; at most one per person and frame.

    Two tracks of one person can overlap where one of them bridges a gap; then the face with the
    higher score is kept.

    Args:
        faces: rows of ``FACE_COLUMNS``.
    """
    faces = faces.filter(pc.greater(faces["person"], 0)).sort_by(
        [("frame", "ascending"), ("person", "ascending"), ("score", "descending")]
    )
    key = np.stack([faces["frame"].to_numpy(), faces["person"].to_numpy()])
    first = np.append(True, (key[:, 1:] != key[:, :-1]).any(axis=0))[: faces.num_rows]
    return faces.filter(pa.array(first))
