"""The faces of an analysis by their tracks, sorted once for all of them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.timeline import Analysis, boxes_of

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class TrackedFaces:
    """All faces of an analysis, to be asked for by track, and for those beside one."""

    faces: pa.Table
    """By frame, as the analysis has them."""
    _frame: NDArray[np.int32]
    _track: NDArray[np.int32]
    _by_track: NDArray[np.intp]
    """Rows in the order of tracks, and of frames within one."""
    _in_order: NDArray[np.int32]
    """``_track`` in that order."""

    @classmethod
    def of(cls, analysis: Analysis) -> "TrackedFaces":
        frame, track = (analysis.faces[name].to_numpy() for name in ("frame", "track"))
        by_track = np.argsort(track, kind="stable")
        return cls(analysis.faces, frame, track, by_track, track[by_track])

    def of_track(self, track: int) -> pa.Table:
        """Ascending in frames."""
        return self.faces.take(self._by_track[slice(*self._ends(self._in_order, track, track + 1))])

    def beside(self, track: int, start: int, end: int) -> tuple[NDArray[np.int32], Float64]:
        """Frames and boxes of all faces but the track's in ``[start, end)``, known or not."""
        rows = np.arange(*self._ends(self._frame, start, end))
        rows = rows[self._track[rows] != track]
        return self._frame[rows], boxes_of(self.faces.take(rows)).astype(np.float64)

    @staticmethod
    def _ends(values: NDArray[np.int32], first: int, end: int) -> list[int]:
        return [int(i) for i in np.searchsorted(values, [first, end])]
