"""A track: one face followed from frame to frame inside one shot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from facetrack.recognition.embedded_face import TrackFace
from facetrack.recognition.face_crop import FaceCrop
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.rows import GrowingRows, Rows, rows_between

CropSlot = tuple[int, int]
"""Number of breaks before a crop, and its moment: the frame index divided by ``CROP_SPACING``."""
MAX_BREAKS = 24
"""A track with more breaks has none: its light flickers."""
CROP_SPACING = 12
"""Frames of a moment, of which one crop is kept, so that a track's crops show different moments."""

MIN_POSE = 0.3
"""Share of the best kept crop's pose below which the crop of another moment is not kept."""
TURN = 0.15
"""Turn of the head (``quality.head_turns``) that counts as much as one moment more or less."""
BETTER_POSE = 1.1
"""Factor by which a pose must be better to replace the kept crop of its moment."""


class Track:
    """One row for every frame from the first to the last, and a few face crops for the embedding.

    Memory: 121 bytes a frame, and the crops: ``max_crops``, or two for each part between breaks.
    """

    def __init__(self, id: int, max_crops: int) -> None:
        self.id = id
        self.crops: dict[CropSlot, FaceCrop] = {}
        """The face crops that are kept, by part and moment."""
        self.breaks: list[int] = []
        """Indices of the frames in which the face's place suddenly looks different."""
        self._last_frame: int | None = None
        self._max_crops = max_crops
        self._rows = GrowingRows()
        self._unsettled: list[int] = []
        """Numbers of faces in the present batch that have no rows and crops yet."""

    @property
    def rows(self) -> Rows:
        """``(n,)`` ``ROW``, one for each frame from the first to the last."""
        return self._rows.view()

    @property
    def detected(self) -> NDArray[np.bool_]:
        """``(n,)`` True for rows of detections, False for rows that bridge gaps."""
        return np.asarray(~self.rows["bridged"])

    @property
    def first_frame(self) -> int:
        """Index in the source, from 0."""
        return int(self.rows["frame"][0])

    @property
    def last_frame(self) -> int:
        """Index in the source; the track has a row for it."""
        return int(self.rows["frame"][-1])

    def add(self, faces: list[int]) -> None:
        """Continues the track with faces of later frames, given by their numbers in the batch.

        ``settle`` must follow before the next batch.
        """
        self._unsettled += faces

    def settle(self, batch: DetectionBatch, times_s: dict[int, float]) -> None:
        """Makes rows and face crops of the faces that were added.

        Args:
            batch: holds these faces.
            times_s: presentation times of their frames and of the gaps before them, by frame index.
        """
        if self._unsettled:
            self._add_rows(batch, times_s)
            self._keep_crops(batch)
            self._unsettled.clear()

    def end(self) -> None:
        """Releases spare memory; nothing is added any more."""
        self._rows.trim()

    def split_at(self, frame: int, id: int) -> "Track":
        """Ends the track before a frame; returns a track with the rest.

        ``id``: of the rest.
        """
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
        """The frame after ``before``, up to ``until``, in which the track most likely changes to
        another face: at the last break, else after the last gap, else where its box jumps farthest.
        """
        breaks = [frame for frame in self.breaks if before < frame <= until]
        if breaks:
            return breaks[-1]
        rows = self.rows
        a, b = np.searchsorted(rows["frame"], (before, until))
        bridged = np.flatnonzero(rows["bridged"][a : b + 1])
        if len(bridged):
            return int(rows["frame"][a + bridged[-1] + 1])
        boxes = rows["box"][a : b + 1].astype(np.float64)
        size = np.maximum(boxes[1:, 3] - boxes[1:, 1], 1.0)
        jumps = np.abs(np.diff(boxes, axis=0)).max(axis=1) / size
        return int(rows["frame"][a + 1 + int(jumps.argmax())])

    def _add_rows(self, batch: DetectionBatch, times_s: dict[int, float]) -> None:
        rows = batch.rows[self._unsettled]
        frames = [batch.frames[face] for face in self._unsettled]
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

    def _keep_crops(self, batch: DetectionBatch) -> None:
        """Keeps the face with the best pose of each moment, and of these a few that differ.

        A break begins a new part of the track. At least one face of each part is kept.
        """
        crops = self.crops
        for face in self._unsettled:
            frame, pose = batch.frames[face], batch.poses[face]
            if batch.stands_out[face] and self._last_frame is not None:
                self.breaks.append(frame)
                if len(self.breaks) > MAX_BREAKS:
                    self.breaks.clear()  # it flickers: nothing stands out
            self._last_frame = frame
            part = len(self.breaks)
            slot = part, frame // CROP_SPACING
            if (kept := crops.get(slot)) is not None:
                if pose <= BETTER_POSE * kept.pose:
                    continue
            elif len(crops) >= self._room and not self._is_wanted(part, pose):
                continue
            crops[slot] = batch.crop(face)
            if len(crops) > self._room:
                del crops[least_needed(crops, bool(self.breaks))]

    @property
    def _room(self) -> int:
        """Number of crops that are kept: at least two for each part between breaks."""
        return room_for(self._max_crops, self.breaks)

    def _is_wanted(self, part: int, pose: float) -> bool:
        """Whether a face of a new moment may be better than one that is kept."""
        if part not in [kept for kept, _ in self.crops]:
            return True
        return pose > MIN_POSE * max([crop.pose for crop in self.crops.values()])

    @property
    def best_pose(self) -> FaceCrop:
        """The crop of best pose, which is known without pixels."""
        return max(self.crops.values(), key=lambda c: c.pose)


def room_for(max_crops: int, breaks: Sequence[int]) -> int:
    """Number of crops that a track keeps: at least two for each part between breaks."""
    return max(max_crops, 2 * (len(breaks) + 1))


def least_needed(crops: Mapping[CropSlot, TrackFace], has_breaks: bool) -> CropSlot:
    """The crop to be removed where a track has too many.

    One with a far too bad pose, else the one with the worse pose of the two that are closest in
    turn and time. The only crop of a part between breaks stays.
    """
    slots = every = sorted(crops)
    if has_breaks:
        of_part = Counter([part for part, _ in every])
        slots = [s for s in every if of_part[s[0]] > 1] or every
    some = [crops[s] for s in slots]
    poses = [crop.pose for crop in some]
    worst = min(poses)
    if worst < MIN_POSE * max(poses):
        return slots[poses.index(worst)]
    moments = [moment for _, moment in slots]
    unit = max(float(max(moments) - min(moments)), 1.0) / len(some)
    i, j = _closest(
        [
            (crop.turn[0] / TURN, crop.turn[1] / TURN, moment / unit)
            for crop, moment in zip(some, moments, strict=True)
        ]
    )
    return slots[i] if poses[i] <= poses[j] else slots[j]


def _closest(points: Sequence[tuple[float, float, float]]) -> tuple[int, int]:
    """The positions of the two points with the least distance, in ascending order.

    ``points``: two or more; the last number is the time. Only points that are close in time are
    compared: NumPy, which compared all, took 25 us for 9 points and 140 us for 50; this 11 and 58.
    """
    least, closest = inf, (0, 0)
    in_time = sorted(range(len(points)), key=lambda i: points[i][2])
    for k, i in enumerate(in_time):
        a, b, then = points[i]
        for j in in_time[k + 1 :]:
            c, d, later = points[j]
            if later - then > least:
                break
            distance = sqrt((c - a) * (c - a) + (d - b) * (d - b) + (later - then) * (later - then))
            pair = min(i, j), max(i, j)
            if (distance, pair) < (least, closest):
                least, closest = distance, pair
    return closest
