"""A track: one face followed from frame to frame inside one shot."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.face_crop import FaceCrop
from facetrack.tracking.rows import GrowingRows, Rows, rows_between
from facetrack.tracking.together import FacesTogether

CROP_SPACING = 12
"""Frames that share one kept crop, so that a track's crops show different moments."""

BETTER_POSE = 1.1
"""How much better than a kept crop's pose one must be to take its place."""


class Track:
    """Holds at most ``max_crops`` faces for the embedding and one small row for every frame from
    the first to the last."""

    def __init__(self, id: int, max_crops: int) -> None:
        self.id = id
        self.crops: dict[int, FaceCrop] = {}
        """By the stretch of frames that they are from."""
        self._max_crops = max_crops
        self._rows = GrowingRows()
        self._unsettled: list[int] = []
        """Faces by their numbers among those that are tracked together."""

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

    def see(self, faces: list[int]) -> None:
        """Continues the track with faces of frames after its last one; ``settle`` follows."""
        self._unsettled += faces

    def settle(self, together: FacesTogether, times_s: dict[int, float]) -> None:
        """Makes rows and face crops of the faces of late.

        ``times_s``: of their frames, and of those in gaps before them, which are filled.
        """
        if self._unsettled:
            self._add_rows(together, times_s)
            self._keep_crops(together)
            self._unsettled.clear()

    def end(self) -> None:
        """Nothing more is added."""
        self._rows.trim()

    def _add_rows(self, together: FacesTogether, times_s: dict[int, float]) -> None:
        rows = together.rows[self._unsettled]
        frames = [together.frames[face] for face in self._unsettled]
        last = self.last_frame if len(self.rows) else frames[0] - 1
        start = 0
        for i, (before, frame) in enumerate(pairwise([last, *frames])):
            if frame - before > 1:
                self._rows.extend(rows[start:i])
                self._rows.extend(rows_between(self.rows[-1], rows[i], times_s))
                start = i
        self._rows.extend(rows[start:])

    def _keep_crops(self, together: FacesTogether) -> None:
        """Keeps the best pose of each stretch of frames, and of these the best few."""
        crops = self.crops
        weakest = self._weakest()
        for face in self._unsettled:
            stretch, pose = together.frames[face] // CROP_SPACING, together.poses[face]
            rival = stretch if stretch in crops else weakest
            if rival is not None:
                if pose <= BETTER_POSE * crops[rival].pose:
                    continue
                del crops[rival]
            crops[stretch] = together.crop(face)
            weakest = self._weakest()

    def _weakest(self) -> int | None:
        """The stretch whose crop a new stretch's must beat; None while there is room for both."""
        if len(self.crops) < self._max_crops:
            return None
        return min(self.crops, key=lambda s: self.crops[s].pose)

    @property
    def best_crop(self) -> FaceCrop:
        """By quality, for which crops must be made."""
        return max(self.crops.values(), key=lambda c: c.quality)

    @property
    def best_pose(self) -> FaceCrop:
        """By what is known without a crop."""
        return max(self.crops.values(), key=lambda c: c.pose)
