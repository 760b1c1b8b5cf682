"""The faces as a flat table with one row per face: CSV, Parquet, and JSON lines."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.csv import write_csv

from facetrack.core.parquet import write_table
from facetrack.exports.person_ranges import person_names
from facetrack.timeline import CORNERS, Analysis, landmarks_of

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Left and right are those of the image."""
ROWS = 10_000
"""Rows that are Python objects at the same time: those of a long video would take gigabytes."""


class CsvExporter:
    """Comma-separated values with a header, for spreadsheets, R, pandas and DuckDB."""

    name = "csv"
    suffix = ".csv"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes a header, then one row per face."""
        text = pa.BufferOutputStream()  # Arrow itself opens only files whose names are UTF-8
        write_csv(face_table(analysis), text)
        path.write_bytes(text.getvalue())


class ParquetExporter:
    """The same table as CSV, typed and compressed."""

    name = "parquet"
    suffix = ".parquet"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one row per face."""
        write_table(path, face_table(analysis))


class JsonLinesExporter:
    """One JSON object per frame with its faces; frames without a face are included."""

    name = "json-lines"
    suffix = ".jsonl"

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes one line per frame."""
        with path.open("w", encoding="utf-8") as file:
            for frame in _frames(analysis):
                file.write(json.dumps(frame, ensure_ascii=False) + "\n")


def face_table(analysis: Analysis) -> pa.Table:
    """Columns frame, time_s, track, person, name, box, score, landmarks, and source.

    A face without a person has person 0 and a null name.
    """
    faces, names = analysis.faces, person_names(analysis)
    name = pa.array([names.get(person) for person in faces["person"].to_pylist()], pa.string())
    table = faces.select(["frame", "time_s", "track", "person"]).append_column("name", name)
    for column in (*CORNERS, "score"):
        table = table.append_column(column, faces[column])
    points = landmarks_of(faces)
    for i, landmark in enumerate(LANDMARKS):
        table = table.append_column(f"{landmark}_x", pa.array(points[:, i, 0]))
        table = table.append_column(f"{landmark}_y", pa.array(points[:, i, 1]))
    return table.append_column("source", faces["source"])


def _frames(analysis: Analysis) -> Iterator[dict[str, Any]]:
    by_frame = groupby(_rows(analysis), key=lambda row: row["frame"])
    frame, rows = next(by_frame, (None, iter(())))
    for index, time_s in enumerate(analysis.frame_times.tolist(), start=analysis.first_frame):
        faces = []
        if frame == index:
            faces = [_face(row) for row in rows]
            frame, rows = next(by_frame, (None, iter(())))
        yield {"frame": index, "time_s": time_s, "faces": faces}


def _rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for batch in face_table(analysis).to_batches(max_chunksize=ROWS):
        yield from batch.to_pylist()


def _face(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "track": row["track"],
        "person": row["person"],
        "name": row["name"],
        "box": [round(row[corner], 3) for corner in ("x1", "y1", "x2", "y2")],
        "score": round(row["score"], 6),
        "landmarks": {
            name: [round(row[f"{name}_x"], 3), round(row[f"{name}_y"], 3)] for name in LANDMARKS
        },
        "source": row["source"],
    }
