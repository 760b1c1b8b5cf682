"""A track: one face followed from frame to frame inside one shot."""

import numpy as np
from numpy.typing import NDArray

from facetrack.media.picture import Frame
from facetrack.recognition.chip import Chip
from facetrack.tracking.rows import GrowingRows, Rows, rows_between
from facetrack.types import Faces

CHIP_SPACING = 12
"""Frames that share one kept chip, so that a track's chips show different moments."""

BETTER_POSE = 1.1
"""How much better than a kept chip's pose one must be to take its place."""


class Track:
    """Holds at most ``max_chips`` faces for the embedding and one small row for every frame from
    the first to the last."""

    def __init__(self, id: int, max_chips: int) -> None:
        self.id = id
        self.chips: dict[int, Chip] = {}
        """By the stretch of frames that they are from."""
        self._max_chips = max_chips
        self._rows = GrowingRows()

    @property
    def rows(self) -> Rows:
        """``(n,)`` ``ROW``, one a frame from the first to the last."""
        return self._rows.view()

    @property
    def seen(self) -> NDArray[np.bool_]:
        """``(n,)`` which rows the detector gave; the others were put into gaps."""
        return np.asarray(~self.rows["bridged"])

    @property
    def first_frame(self) -> int:
        """Counted from 0 in the source."""
        return int(self.rows["frame"][0])

    @property
    def last_frame(self) -> int:
        """Inclusive."""
        return int(self.rows["frame"][-1])

    def add(self, row: np.void) -> None:
        """Continues the track with a face of the frame after its last one."""
        self._rows.append(row)

    def bridge(self, until: np.void, times_s: dict[int, float]) -> None:
        """Fills the frames between the last face and this one."""
        for row in rows_between(self.rows[-1], until, times_s):
            self._rows.append(row)

    def end(self) -> None:
        """Nothing more is added."""
        self._rows.trim()

    def keep_chip(self, frame: Frame, faces: Faces, i: int, pose: float) -> bool:
        """Keeps the best pose of each stretch of frames, and of these the best few.

        Returns whether this one is kept, for now.
        """
        stretch = frame.index // CHIP_SPACING
        rival: int | None = stretch
        if stretch not in self.chips:
            full = len(self.chips) >= self._max_chips
            rival = min(self.chips, key=lambda s: self.chips[s].pose) if full else None
        if rival is not None:
            if pose <= BETTER_POSE * self.chips[rival].pose:
                return False
            del self.chips[rival]
        self.chips[stretch] = Chip(frame, faces, i, pose)
        return True

    @property
    def best_chip(self) -> Chip:
        """By quality, for which crops must be made."""
        return max(self.chips.values(), key=lambda c: c.quality)

    @property
    def best_pose(self) -> Chip:
        """By what is known without a crop."""
        return max(self.chips.values(), key=lambda c: c.pose)
