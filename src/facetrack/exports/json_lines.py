"""One JSON object a frame, those without a face too, each with its faces."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from facetrack.exports.table import LANDMARKS, table_of
from facetrack.timeline import Analysis

ROWS = 10_000
"""Rows that are Python objects at a time: those of a long video would take gigabytes."""


def write(analysis: Analysis, path: Path) -> None:
    """A line a frame."""
    with path.open("w", encoding="utf-8") as file:
        for line in _frames(analysis):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


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
    for batch in table_of(analysis).to_batches(max_chunksize=ROWS):
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
