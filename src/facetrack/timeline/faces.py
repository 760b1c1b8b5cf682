"""The table of faces, and its columns as arrays."""

import numpy as np
import pyarrow as pa

from facetrack.core.types import Float32

FACE_COLUMNS = pa.schema(
    [
        ("frame", pa.int32()),
        ("time_s", pa.float64()),
        ("track", pa.int32()),
        ("person", pa.int32()),
        ("x1", pa.float32()),
        ("y1", pa.float32()),
        ("x2", pa.float32()),
        ("y2", pa.float32()),
        ("score", pa.float32()),
        ("landmarks", pa.list_(pa.float32(), 10)),
        ("source", pa.string()),
    ]
)
"""One row a face and frame; boxes and landmarks in pixels of the upright picture."""
CORNERS = ("x1", "y1", "x2", "y2")
"""The columns of a face's box."""


def boxes_of(faces: pa.Table) -> Float32:
    """The boxes of rows of ``FACE_COLUMNS``.

    Returns:
        ``(n, 4)`` float32 x1 y1 x2 y2 in pixels of the upright picture; may reach past its edges.
    """
    return np.stack([faces[corner].to_numpy() for corner in CORNERS], axis=1)


def landmarks_of(faces: pa.Table) -> Float32:
    """The landmarks of rows of ``FACE_COLUMNS``.

    Returns:
        ``(n, 5, 2)`` float32 x y in pixels of the upright picture: left eye, right eye, nose, left
        and right mouth corner (image sides).
    """
    points: Float32 = faces["landmarks"].combine_chunks().flatten().to_numpy()
    return points.reshape(-1, 5, 2)
