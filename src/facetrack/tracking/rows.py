"""Rows of ``faces.parquet`` before their person is known, in one piece of memory a track."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import SOURCE
from facetrack.detection.frame_detections import FrameDetections

ROW = np.dtype(
    [
        ("frame", np.int32),
        ("time_s", np.float64),
        ("box", np.float32, 4),  # x1 y1 x2 y2
        ("landmarks", np.float32, (5, 2)),
        ("score", np.float32),
        ("source", SOURCE),  # detected, refined or interpolated
        ("bridged", np.bool_),  # put into a gap in which nothing was seen
    ]
)

Rows = NDArray[np.void]
"""``(n,)`` of ``ROW``."""

FEW = 16
"""Rows for which there is room at first."""


def rows_of(seen: Sequence[FrameDetections]) -> Rows:
    """One row a face, frame by frame, none of them bridged."""
    counts = [len(one.faces) for one in seen]
    rows = np.empty(sum(counts), ROW)
    if len(rows):
        rows["frame"] = np.repeat([one.frame.index for one in seen], counts)
        rows["time_s"] = np.repeat([one.frame.time_s for one in seen], counts)
        rows["box"] = np.concatenate([one.faces.boxes for one in seen])
        rows["landmarks"] = np.concatenate([one.faces.landmarks for one in seen])
        rows["score"] = np.concatenate([one.faces.scores for one in seen])
        rows["source"] = np.concatenate([one.faces.sources for one in seen])
        rows["bridged"] = False
    return rows


def rows_between(last: np.void, until: np.void, times_s: dict[int, float]) -> Rows:
    """For the frames strictly between two sightings, on the straight way from one to the other.

    ``times_s``: of those frames.
    """
    frames = np.arange(last["frame"] + 1, until["frame"])
    share = ((frames - last["frame"]) / (until["frame"] - last["frame"])).astype(np.float32)
    rows = np.empty(len(frames), ROW)
    rows["frame"] = frames
    rows["time_s"] = [times_s[frame] for frame in frames.tolist()]
    for name, shares in (("box", share[:, None]), ("landmarks", share[:, None, None])):
        rows[name] = last[name] + shares * (until[name] - last[name])
    rows["score"] = min(last["score"], until["score"])
    rows["source"] = "interpolated"
    rows["bridged"] = True
    return rows


def joined_rows(parts: Sequence[Rows]) -> Rows:
    """One after the other; NumPy's ``concatenate`` compares the fields of every part."""
    rows: Rows = np.empty(sum(map(len, parts)), ROW)
    at = 0
    for part in parts:
        rows[at : at + len(part)] = part
        at += len(part)
    return rows


class GrowingRows:
    """Room doubles when it is used up."""

    def __init__(self) -> None:
        self._room: Rows = np.empty(FEW, ROW)
        self._used = 0

    def extend(self, rows: Rows) -> None:
        used = self._used + len(rows)
        if used > len(self._room):
            self._resize(max(used, 2 * self._used))
        self._room[self._used : used] = rows
        self._used = used

    def view(self) -> Rows:
        return self._room[: self._used]

    def trim(self) -> None:
        """Lets go of the room that is not used."""
        self._resize(self._used)

    def _resize(self, size: int) -> None:
        room: Rows = np.empty(size, ROW)
        room[: self._used] = self._room[: self._used]
        self._room = room
