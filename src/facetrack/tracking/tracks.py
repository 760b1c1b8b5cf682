"""A track: one face followed from frame to frame inside one shot."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.face_crop import FaceCrop
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.rows import GrowingRows, Rows, rows_between

CropSlot = tuple[int, int]
"""How many breaks are before it, and which of the track's stretches of ``CROP_SPACING`` it is."""
MOST_BREAKS = 24
"""Beyond it the light flickers, and breaks mean nothing."""
CROP_SPACING = 12
"""Frames that share one kept crop, so that a track's crops show different moments."""

WORTHLESS = 0.3
"""Share of the best kept crop's pose below which another moment's crop is not kept."""
TURN = 0.15
"""Turn of the head that counts as much as a moment more or less."""
BETTER_POSE = 1.1
"""How much better than a kept crop's pose one must be to take its place."""


class Track:
    """Holds at most ``max_crops`` faces for the embedding and one small row for every frame from
    the first to the last."""

    def __init__(self, id: int, max_crops: int) -> None:
        self.id = id
        self.crops: dict[CropSlot, FaceCrop] = {}
        """By the stretch of frames that they are from."""
        self.breaks: list[int] = []
        """Frames from which on the face's place looks different from just before."""
        self._last_frame: int | None = None
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

    def add(self, faces: list[int]) -> None:
        """Continues the track with faces of frames after its last one; ``settle`` follows."""
        self._unsettled += faces

    def settle(self, together: DetectionBatch, times_s: dict[int, float]) -> None:
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

    def split_at(self, frame: int, id: int) -> "Track":
        """Ends the track before a frame; what was from there on is another track."""
        rest = Track(id, self._max_crops)
        rows = self.rows
        at = int(np.searchsorted(rows["frame"], frame))
        rest._rows.extend(rows[at:])
        rest.end()
        rest.crops = {s: c for s, c in self.crops.items() if c.frame >= frame}
        rest.breaks = [b for b in self.breaks if b > frame]
        self.crops = {s: c for s, c in self.crops.items() if c.frame < frame}
        kept, self._rows = rows[:at], GrowingRows()
        self._rows.extend(kept)
        self.end()
        return rest

    def break_between(self, before: int, until: int) -> int:
        """The frame after ``before``, up to ``until``, at which the track most likely goes over to
        another face: at a break, after a gap, or else where its box jumps farthest."""
        sudden = [frame for frame in self.breaks if before < frame <= until]
        if sudden:
            return sudden[-1]
        rows = self.rows
        a, b = np.searchsorted(rows["frame"], (before, until))
        bridged = np.flatnonzero(rows["bridged"][a : b + 1])
        if len(bridged):
            return int(rows["frame"][a + bridged[-1] + 1])
        boxes = rows["box"][a : b + 1].astype(np.float64)
        size = np.maximum(boxes[1:, 3] - boxes[1:, 1], 1.0)
        jumps = np.abs(np.diff(boxes, axis=0)).max(axis=1) / size
        return int(rows["frame"][a + 1 + int(jumps.argmax())])

    def _add_rows(self, together: DetectionBatch, times_s: dict[int, float]) -> None:
        rows = together.rows[self._unsettled]
        frames = [together.frames[face] for face in self._unsettled]
        last = frames[0] - 1 if self._last_frame is None else self._last_frame
        if frames[-1] - last == len(frames):
            self._rows.extend(rows)  # there is no gap
            return
        start = 0
        for i, (before, frame) in enumerate(pairwise([last, *frames])):
            if frame - before > 1:
                self._rows.extend(rows[start:i])
                self._rows.extend(rows_between(self.rows[-1], rows[i], times_s))
                start = i
        self._rows.extend(rows[start:])

    def _keep_crops(self, together: DetectionBatch) -> None:
        """Keeps the best pose of each stretch of frames, and of these few that differ.

        Where the face's place suddenly looks different a new stretch begins, and a face from each
        side is kept.
        """
        crops = self.crops
        for face in self._unsettled:
            frame, pose = together.frames[face], together.poses[face]
            if together.stands_out[face] and self._last_frame is not None:
                self.breaks.append(frame)
                if len(self.breaks) > MOST_BREAKS:
                    self.breaks.clear()  # it flickers: nothing stands out
            self._last_frame = frame
            part = len(self.breaks)
            slot = part, frame // CROP_SPACING
            if (kept := crops.get(slot)) is not None:
                if pose <= BETTER_POSE * kept.pose:
                    continue
            elif len(crops) >= self._room and not self._is_wanted(part, pose):
                continue
            crops[slot] = together.crop(face)
            if len(crops) > self._room:
                del crops[self._least_needed()]

    @property
    def _room(self) -> int:
        """Crops that are kept: two a part between breaks at least."""
        return max(self._max_crops, 2 * (len(self.breaks) + 1))

    def _is_wanted(self, part: int, pose: float) -> bool:
        """Whether a face of another moment may be worth more than one that is kept."""
        if part not in [of for of, _ in self.crops]:
            return True
        return pose > WORTHLESS * max([crop.pose for crop in self.crops.values()])

    def _least_needed(self) -> CropSlot:
        """The stretch of the worse one of the two crops that are most alike in pose and time; none
        that is the only one between two breaks."""
        every = sorted(self.crops)
        of_part = Counter([part for part, _ in every])
        slots = [s for s in every if of_part[s[0]] > 1] or every
        crops = [self.crops[s] for s in slots]
        poses = [crop.pose for crop in crops]
        worst = min(poses)
        if worst < WORTHLESS * max(poses):
            return slots[poses.index(worst)]
        moments = [moment for _, moment in slots]
        unit = max(float(max(moments) - min(moments)), 1.0) / len(crops)
        i, j = _closest(
            [
                (crop.turn[0] / TURN, crop.turn[1] / TURN, moment / unit)
                for crop, moment in zip(crops, moments, strict=True)
            ]
        )
        return slots[i] if poses[i] <= poses[j] else slots[j]

    @property
    def best_crop(self) -> FaceCrop:
        """By quality, for which crops must be made."""
        return max(self.crops.values(), key=lambda c: c.quality)

    @property
    def best_pose(self) -> FaceCrop:
        """By what is known without a crop."""
        return max(self.crops.values(), key=lambda c: c.pose)


def _closest(places: Sequence[tuple[float, float, float]]) -> tuple[int, int]:
    """Positions of the two places that are closest to each other, the first one before the second.

    ``places``: two or more; the last number is the time. Only places that are close in time are
    compared: NumPy, which compared all, took 25 us for 9 places and 140 us for 50; this 11 and 58.
    """
    least, closest = inf, (0, 0)
    in_time = sorted(range(len(places)), key=lambda i: places[i][2])
    for k, i in enumerate(in_time):
        a, b, then = places[i]
        for j in in_time[k + 1 :]:
            c, d, later = places[j]
            if later - then > least:
                break
            apart = sqrt((c - a) * (c - a) + (d - b) * (d - b) + (later - then) * (later - then))
            pair = min(i, j), max(i, j)
            if (apart, pair) < (least, closest):
                least, closest = apart, pair
    return closest
