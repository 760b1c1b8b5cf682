"""Reads who really is where: MOTChallenge text, faces of our own, or an analysis put right."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from facetrack.core.errors import InputError
from facetrack.core.parquet import read_table
from facetrack.evaluation.labelled import Labelled
from facetrack.exports.mot import FIRST, faces_of_people
from facetrack.timeline import CORNERS, Analysis

MOT_COLUMNS = 6
"""Frame, id, left, top, width, height; a seventh that is 0 says not to look at the line."""


def read_truth(path: Path) -> Labelled:
    """The boxes of a file, or of an analysis' folder, whose timeline may have been put right.

    ``.parquet`` and ``.csv`` with the columns frame, person, x1, y1, x2, y2 (as ``faces.parquet``
    and the exports have them; person 0 is nobody); all else is MOTChallenge text.

    Raises:
        InputError: when there is no such file, or it is none of these.
    """
    try:
        if path.is_dir():
            found = Labelled.of_faces(faces_of_people(Analysis.load(path).faces), "person")
        elif path.suffix == ".parquet":
            found = _of_table(read_table(path))
        elif path.suffix == ".csv":
            found = _of_table(pa.csv.read_csv(pa.BufferReader(path.read_bytes())))
        else:
            found = _of_mot(path)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: no truth to be read from it ({error}); give MOTChallenge text, or a table "
            "with the columns frame, person, x1, y1, x2, y2"
        ) from error
    same = (np.diff(found.frames) == 0) & (np.diff(found.ids) == 0)
    if same.any():
        row = int(same.argmax())
        raise InputError(
            f"{path}: {found.ids[row]} is twice in frame {found.frames[row]}; keep one of the two"
        )
    return found


def _of_table(table: pa.Table) -> Labelled:
    known = table.filter(table["person"].to_numpy() > 0) if table.num_rows else table
    columns = {name: known[name].to_numpy() for name in ("frame", "person", *CORNERS)}
    boxes = np.stack([columns[c] for c in CORNERS], axis=1)
    return _ordered(columns["frame"], columns["person"], boxes)


def _of_mot(path: Path) -> Labelled:
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    if rows.shape[1] < MOT_COLUMNS:
        raise ValueError(f"{rows.shape[1]} columns, {MOT_COLUMNS} needed")
    if rows.shape[1] > MOT_COLUMNS:
        rows = rows[rows[:, MOT_COLUMNS] != 0]
    corner = rows[:, 2:4] - FIRST
    return _ordered(rows[:, 0] - FIRST, rows[:, 1], np.hstack([corner, corner + rows[:, 4:6]]))


def _ordered(frames: np.ndarray, ids: np.ndarray, boxes: np.ndarray) -> Labelled:
    order = np.lexsort((ids, frames))
    return Labelled(
        frames[order].astype(np.int64),
        ids[order].astype(np.int64),
        boxes[order].astype(np.float32),
    )
