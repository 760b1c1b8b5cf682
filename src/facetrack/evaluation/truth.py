"""Labelled boxes, and the truth read from MOTChallenge text, a table, or a corrected analysis."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.parquet import read_table
from facetrack.core.received_files import read_given
from facetrack.core.types import Float32
from facetrack.exports.mot import FIRST, faces_of_people
from facetrack.timeline import CORNERS, Analysis, boxes_of

MOT_COLUMNS = 6
"""Frame, id, left, top, width, height; where a seventh column is 0 the line is ignored."""


@dataclass(frozen=True)
class LabelledBoxes:
    """Boxes with identities, one row per box; an id occurs at most once in a frame."""

    frames: NDArray[np.int64]
    """``(n,)`` frame numbers from 0, ascending."""
    ids: NDArray[np.int64]
    """``(n,)`` identities: person or track."""
    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright frame."""

    @classmethod
    def of_faces(cls, faces: pa.Table, id_column: str) -> "LabelledBoxes":
        """The boxes of a table of faces.

        Args:
            faces: rows of ``FACE_COLUMNS``, ordered by frame.
            id_column: ``person`` or ``track``.
        """
        return cls(
            faces["frame"].to_numpy().astype(np.int64),
            faces[id_column].to_numpy().astype(np.int64),
            boxes_of(faces),
        )

    def __len__(self) -> int:
        return len(self.frames)

    def intersection(self, first: int, end: int) -> "LabelledBoxes":
        """The boxes in frames ``[first, end)``."""
        a, b = np.searchsorted(self.frames, (first, end))
        return LabelledBoxes(self.frames[a:b], self.ids[a:b], self.boxes[a:b])

    def rows_of(self, frames: NDArray[np.int64]) -> Iterator[slice]:
        """The rows of each of these frames.

        Args:
            frames: ascending.
        """
        ends = np.searchsorted(self.frames, frames, side="right")
        for a, b in zip(np.searchsorted(self.frames, frames).tolist(), ends.tolist(), strict=True):
            yield slice(a, b)


def read_truth(path: Path) -> LabelledBoxes:
    """Reads labelled boxes from a file, or from the folder of an analysis that was corrected.

    ``.parquet`` and ``.csv`` need the columns frame, person, x1, y1, x2 and y2, which
    ``faces.parquet`` and the exports have; rows with person 0 are ignored. Every other file is read
    as MOTChallenge text.

    Raises:
        InputError: when the file does not exist or has none of these formats.
    """
    try:
        if path.is_dir():
            found = LabelledBoxes.of_faces(faces_of_people(Analysis.load(path).faces), "person")
        elif path.suffix == ".parquet":
            found = _from_table(read_table(path))
        elif path.suffix == ".csv":
            found = _from_table(
                pa.csv.read_csv(pa.BufferReader(read_given(path, limits().text_bytes)))
            )
        else:
            found = _from_mot(path)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: no truth can be read from it ({error}); give MOTChallenge text, or a table "
            "with the columns frame, person, x1, y1, x2, y2"
        ) from error
    same = (np.diff(found.frames) == 0) & (np.diff(found.ids) == 0)
    if same.any():
        row = int(same.argmax())
        raise InputError(
            f"{path}: {found.ids[row]} is twice in frame {found.frames[row]}; keep one of the two"
        )
    return found


def _from_table(table: pa.Table) -> LabelledBoxes:
    of_people = table.filter(table["person"].to_numpy() > 0) if table.num_rows else table
    columns = {name: of_people[name].to_numpy() for name in ("frame", "person", *CORNERS)}
    boxes = np.stack([columns[c] for c in CORNERS], axis=1)
    return _sorted(columns["frame"], columns["person"], boxes)


def _from_mot(path: Path) -> LabelledBoxes:
    rows = np.loadtxt(io.BytesIO(read_given(path, limits().text_bytes)), delimiter=",", ndmin=2)
    if rows.shape[1] < MOT_COLUMNS:
        raise ValueError(f"{rows.shape[1]} columns, {MOT_COLUMNS} needed")
    if rows.shape[1] > MOT_COLUMNS:
        rows = rows[rows[:, MOT_COLUMNS] != 0]
    corner = rows[:, 2:4] - FIRST
    return _sorted(rows[:, 0] - FIRST, rows[:, 1], np.hstack([corner, corner + rows[:, 4:6]]))


def _sorted(frames: np.ndarray, ids: np.ndarray, boxes: np.ndarray) -> LabelledBoxes:
    order = np.lexsort((ids, frames))
    return LabelledBoxes(
        frames[order].astype(np.int64),
        ids[order].astype(np.int64),
        boxes[order].astype(np.float32),
    )
