"""The two steps of ``speculative`` that go through many frames: proposed pairs, and the motion."""

from dataclasses import dataclass

import numpy as np

from facetrack.core.boxes import iou_of_pair
from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.tracking.motion import Bools, Int64, Motion, moved_on

MAX_FRAMES = 64
"""Most frames of a ``MotionHistory``: it sums velocities in units that double with each frame, and
float32 holds no more than 127 doublings."""

Box = list[float]


@dataclass
class _LostTrack:
    frame: int
    """In which it was detected last."""
    box: Box


class OverlapProposal:
    """Proposes the track of each face from the overlap of detected boxes, without motion and
    appearance.

    Tracks are numbered from 0: the open ones, then new ones as they begin. It is plain Python: it
    only compares faces that have no match in the frame before with lost tracks, which are few.
    """

    def __init__(self, start: Motion, settings: TrackingSettings) -> None:
        """``start``: the open tracks before the first frame."""
        self._settings = settings
        self._tracks = len(start.frames)
        frames, boxes = start.frames.tolist(), start.boxes.tolist()
        self._lost = {
            i: _LostTrack(*pair) for i, pair in enumerate(zip(frames, boxes, strict=True))
        }
        self._last: list[int] = []
        """The tracks of the newest frame's faces."""
        self._last_boxes: list[Box] = []

    def first(self, tracks: list[int], boxes: list[Box]) -> list[int]:
        """The tracks of the first frame's faces; ``tracks``: the same, with -1 for new ones."""
        for track in tracks:
            self._lost.pop(track, None)
        self._last = [self._begin() if track < 0 else track for track in tracks]
        self._last_boxes = boxes
        return self._last

    def next(self, frame: int, boxes: list[Box], previous: list[int]) -> list[int]:
        """The tracks of the next frame's faces.

        Args:
            frame: index of the frame in the source.
            boxes: one for each face.
            previous: position of each face in the frame before, or -1.
        """
        last, tracks = self._last, [self._last[i] if i >= 0 else -1 for i in previous]
        unmatched = [i for i, of in enumerate(previous) if of < 0]
        if len(previous) - len(unmatched) < len(last):
            for track, box in zip(last, self._last_boxes, strict=True):
                if track not in tracks:
                    self._lost[track] = _LostTrack(frame - 1, box)
        for i in unmatched:
            tracks[i] = self._found(frame, boxes[i])
        self._last, self._last_boxes = tracks, boxes
        return tracks

    def _found(self, frame: int, box: Box) -> int:
        """The lost track that overlaps the box most, or else a new track."""
        earliest = frame - 1 - self._settings.max_gap
        best, highest = -1, self._settings.min_iou
        for track, lost in self._lost.items():
            if lost.frame >= earliest and (overlap := iou_of_pair(lost.box, box)) >= highest:
                best, highest = track, overlap
        if best < 0:
            return self._begin()
        del self._lost[best]
        return best

    def _begin(self) -> int:
        self._tracks += 1
        return self._tracks - 1


class MotionHistory:
    """The motion of all tracks before each of some frames and after the last one, if their faces
    are those of given tracks. Each value equals that of ``Motion.correct``, bit for bit."""

    def __init__(
        self, start: Motion, frames: Int64, at: Int64, tracks: Int64, boxes: Float32
    ) -> None:
        """
        Args:
            start: before the first frame, of the first tracks.
            frames: ``(f,)`` indices of the frames, at most ``MAX_FRAMES``.
            at: ``(k,)`` position of each face's frame among these.
            tracks: ``(k,)`` each face's track; new tracks count on from those of ``start``.
            boxes: ``(k, 4)`` of the faces.
        """
        opened = len(start.frames)
        every = np.arange(max(opened, int(tracks.max(initial=-1)) + 1))
        shape = (1 + len(frames), len(every))
        detected = np.zeros(shape, bool)
        detected[0, :opened] = detected[at + 1, tracks] = True
        self.begun: Bools = np.logical_or.accumulate(detected)
        """``(f + 1, n)`` whether each track has begun before each frame; so for all below."""
        last = np.maximum.accumulate(np.where(detected, np.arange(shape[0])[:, None], 0))
        index = np.empty(shape, np.int64)
        index[0, :opened], index[0, opened:], index[1:] = start.frames, -1, frames[:, None]
        self.frames: Int64 = index[last, every]
        placed = np.zeros((*shape, 4), np.float32)
        placed[0, :opened], placed[at + 1, tracks] = start.boxes, boxes
        self.boxes: Float32 = placed[last, every]
        self.lost: Int64 = frames[:, None] - 1 - self.frames[:-1]
        """``(f, n)`` as ``Motion.frames_lost``."""
        continued = detected[1:] & self.begun[:-1]
        self.velocities = self._smoothed(start.velocities, continued)
        self.predicted: Float32 = moved_on(self.boxes[:-1], self.velocities[:-1], self.lost + 1)
        """``(f, n, 4)`` as ``Motion.predicted``."""

    def after(self, frames: int, which: Bools) -> Motion:
        """The motion after so many of the frames, of the tracks ``which`` ``(n,)``."""
        return Motion(
            self.frames[frames, which], self.boxes[frames, which], self.velocities[frames, which]
        )

    def _smoothed(self, start: Float32, continued: Bools) -> Float32:
        """``v = (v + step) / 2`` wherever a track is continued, for all frames by one sum.

        ``v`` is summed in a unit that is halved whenever ``v`` is. Powers of two do not change how
        a sum is rounded, so the result is the same to the last bit.
        """
        share = np.where(continued, self.lost / (self.lost + 1), 0).astype(np.float32)
        before = self.boxes[:-1] + share[..., None] * (self.boxes[1:] - self.boxes[:-1])
        steps = np.where(continued[..., None], self.boxes[1:] - before, np.float32(0))
        units = np.ones(self.begun.shape, np.float32)
        units[1:] = np.ldexp(units[1:], continued.cumsum(axis=0))
        sums = np.zeros((*self.begun.shape, 4), np.float32)
        sums[0, : len(start)] = start
        sums[1:] = steps * units[:-1, :, None]
        return np.asarray(np.add.accumulate(sums) / units[..., None])
