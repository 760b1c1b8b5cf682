"""The faces as one flat table, a row a face and frame: what CSV and Parquet hold."""

import pyarrow as pa

from facetrack.exports.appearances import names_of
from facetrack.timeline import CORNERS, Analysis, landmarks_of

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Sides as they are in the picture."""


def table_of(analysis: Analysis) -> pa.Table:
    """Columns frame, time_s, track, person, name, the box, score, the landmarks, source.

    Of a face that is nobody known the person is 0 and the name null.
    """
    faces, names = analysis.faces, names_of(analysis)
    name = pa.array([names.get(person) for person in faces["person"].to_pylist()], pa.string())
    table = faces.select(["frame", "time_s", "track", "person"]).append_column("name", name)
    for column in (*CORNERS, "score"):
        table = table.append_column(column, faces[column])
    points = landmarks_of(faces)
    for i, landmark in enumerate(LANDMARKS):
        table = table.append_column(f"{landmark}_x", pa.array(points[:, i, 0]))
        table = table.append_column(f"{landmark}_y", pa.array(points[:, i, 1]))
    return table.append_column("source", faces["source"])
