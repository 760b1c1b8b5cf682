"""Whose the faces of the next frames seem to be, by their overlap alone.

A guess that is good nearly always lets the tracker look at many frames at once; it is checked, so
it changes nothing but the time that is needed.
"""

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import TrackingSettings
from facetrack.tracking.motion import Motion

Box = list[float]


def each_others_best(iou: NDArray[np.float64], min_iou: float) -> NDArray[np.intp]:
    """For each of the second boxes the first box that overlaps it most, if that is so the other way
    round too; else -1.

    ``iou``: ``(..., n, m)``; returns ``(..., m)``.
    """
    if not iou.size:
        return np.full((*iou.shape[:-2], iou.shape[-1]), -1)
    best, back = iou.argmax(axis=-2), iou.argmax(axis=-1)
    mutual = np.take_along_axis(back, best, -1) == np.arange(iou.shape[-1])
    return np.where(mutual & (iou.max(axis=-2) >= min_iou), best, -1)


class Guess:
    """Follows faces from frame to frame. One that follows none is one that was lost, or else new:
    tracks count on from those that are open at the start."""

    def __init__(self, start: Motion, settings: TrackingSettings) -> None:
        self._settings = settings
        self._tracks = len(start.frames)
        frames, boxes = start.frames.tolist(), start.boxes.tolist()
        self._lost: dict[int, tuple[int, Box]] = dict(enumerate(zip(frames, boxes, strict=True)))
        """By track the frame in which it was last, and its box."""
        self._now: list[int] = []
        """The tracks of the frame's faces."""
        self._boxes: list[Box] = []

    def first(self, known: list[int], boxes: list[Box]) -> list[int]:
        """The tracks of the first frame's faces; ``known``: the same, with -1 for those that are
        new."""
        for track in known:
            self._lost.pop(track, None)
        self._now, self._boxes = [self._begun() if of < 0 else of for of in known], boxes
        return self._now

    def next(self, frame: int, boxes: list[Box], before: list[int]) -> list[int]:
        """The tracks of the next frame's faces.

        Args:
            frame: its index in the source.
            boxes: one a face.
            before: position of each face in the frame before, or -1.
        """
        then, now = self._now, [self._now[i] if i >= 0 else -1 for i in before]
        strangers = [i for i, of in enumerate(before) if of < 0]
        if len(before) - len(strangers) < len(then):
            for track, box in zip(then, self._boxes, strict=True):
                if track not in now:
                    self._lost[track] = frame - 1, box
        for i in strangers:
            now[i] = self._found(frame, boxes[i])
        self._now, self._boxes = now, boxes
        return now

    def _found(self, frame: int, box: Box) -> int:
        """Who of the lost a stranger may be, or else a new track."""
        earliest = frame - 1 - self._settings.max_gap
        best, most = -1, self._settings.min_iou
        for track, (last, where) in self._lost.items():
            if last >= earliest and (overlap := _iou(where, box)) >= most:
                best, most = track, overlap
        if best < 0:
            return self._begun()
        del self._lost[best]
        return best

    def _begun(self) -> int:
        self._tracks += 1
        return self._tracks - 1


def _iou(a: Box, b: Box) -> float:
    """For one pair NumPy takes ten times as long."""
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = a, b
    width, height = min(right, right_b) - max(left, left_b), min(bottom, bottom_b) - max(top, top_b)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    area_a, area_b = (right - left) * (bottom - top), (right_b - left_b) * (bottom_b - top_b)
    return shared / (area_a + area_b - shared)
