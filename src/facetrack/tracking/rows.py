"""The rows of tracks, which become rows of ``faces.parquet``; each track has one array of them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import SOURCE
from facetrack.detection.detector import FrameDetections

ROW = np.dtype(
    [
        ("frame", np.int32),
        ("time_s", np.float64),
        ("box", np.float32, 4),  # x1 y1 x2 y2
        ("landmarks", np.float32, (5, 2)),
        ("score", np.float32),
        ("source", SOURCE),  # detected, refined or interpolated
        ("bridged", np.bool_),  # fills a gap in which the face was not detected
    ]
)

Rows = NDArray[np.void]
"""``(n,)`` of ``ROW``."""


class RowsOfTrack(Protocol):
    """A track, as far as its rows tell."""

    @property
    def id(self) -> int:
        """Number of the track."""
        ...

    @property
    def rows(self) -> Rows:
        """``(n,)`` ``ROW``, one for each frame from the first to the last."""
        ...

    @property
    def detected(self) -> NDArray[np.bool_]:
        """``(n,)`` True for rows of detections, False for rows that bridge gaps."""
        ...

    @property
    def first_frame(self) -> int:
        """Index in the source, from 0."""
        ...

    @property
    def last_frame(self) -> int:
        """Index in the source; the track has a row for it."""
        ...


INITIAL_ROOM = 16
"""Rows for which memory is taken at first; it doubles when it is used up."""


def rows_of(detections: Sequence[FrameDetections]) -> Rows:
    """One row for each face, in the order of the frames; none is bridged."""
    counts = [len(one.faces) for one in detections]
    rows = np.empty(sum(counts), ROW)
    if len(rows):
        rows["frame"] = np.repeat([one.frame.index for one in detections], counts)
        rows["time_s"] = np.repeat([one.frame.time_s for one in detections], counts)
        rows["box"] = np.concatenate([one.faces.boxes for one in detections])
        rows["landmarks"] = np.concatenate([one.faces.landmarks for one in detections])
        rows["score"] = np.concatenate([one.faces.scores for one in detections])
        rows["source"] = np.concatenate([one.faces.sources for one in detections])
        rows["bridged"] = False
    return rows


def rows_between(last: np.void, until: np.void, times_s: dict[int, float]) -> Rows:
    """Rows for the frames between two detections of a face, with boxes interpolated linearly.

    Args:
        last: row of the detection before the gap.
        until: row of the detection after it.
        times_s: presentation time of each frame of the gap, by its index.
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
    """All parts in one array.

    NumPy's ``concatenate`` is slower: it compares the fields of every part.
    """
    rows: Rows = np.empty(sum(map(len, parts)), ROW)
    at = 0
    for part in parts:
        rows[at : at + len(part)] = part
        at += len(part)
    return rows


class GrowingRows:
    """An array of rows to which rows are appended."""

    def __init__(self) -> None:
        self._room: Rows = np.empty(INITIAL_ROOM, ROW)
        self._used = 0

    def extend(self, rows: Rows) -> None:
        """Appends rows."""
        used = self._used + len(rows)
        if used > len(self._room):
            self._resize(max(used, 2 * self._used))
        self._room[self._used : used] = rows
        self._used = used

    def view(self) -> Rows:
        """All rows, without a copy."""
        return self._room[: self._used]

    def trim(self) -> None:
        """Releases the memory that is not used."""
        self._resize(self._used)

    def _resize(self, size: int) -> None:
        room: Rows = np.empty(size, ROW)
        room[: self._used] = self._room[: self._used]
        self._room = room
