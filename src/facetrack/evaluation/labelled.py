"""Boxes with identities: what an evaluation compares, the truth with what was found."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.timeline import boxes_of


@dataclass(frozen=True)
class Labelled:
    """A row a box, by frame; an id is at most once in a frame."""

    frames: NDArray[np.int64]
    """``(n,)`` from 0, ascending."""
    ids: NDArray[np.int64]
    """``(n,)`` whose they are."""
    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2, pixels of the upright picture."""

    @classmethod
    def of_faces(cls, faces: pa.Table, id_column: str) -> "Labelled":
        """Rows of ``FACE_COLUMNS``, ordered by frame; ``id_column``: ``person`` or ``track``."""
        return cls(
            faces["frame"].to_numpy().astype(np.int64),
            faces[id_column].to_numpy().astype(np.int64),
            boxes_of(faces),
        )

    def __len__(self) -> int:
        return len(self.frames)

    def intersection(self, first: int, end: int) -> "Labelled":
        """Those of frames ``[first, end)``."""
        a, b = np.searchsorted(self.frames, (first, end))
        return Labelled(self.frames[a:b], self.ids[a:b], self.boxes[a:b])

    def rows_of(self, frames: NDArray[np.int64]) -> Iterator[slice]:
        """Which rows are of each of these frames, which ascend."""
        ends = np.searchsorted(self.frames, frames, side="right")
        for a, b in zip(np.searchsorted(self.frames, frames).tolist(), ends.tolist(), strict=True):
            yield slice(a, b)
