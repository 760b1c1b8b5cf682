"""A fake tracker: overlap with the last box alone, greedily."""

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.protocol import TrackerBase
from facetrack.tracking.tracks import Track


class FakeTracker(TrackerBase):
    """Implements ``Tracker`` without motion and appearance: it never asks the embedder, and people
    who pass each other may swap. As the IOU tracker of Bochinski et al. (AVSS 2017)."""

    def _follow(self, batch: DetectionBatch, frames: range) -> list[list[Track]]:
        return [self._step(batch, frame) for frame in frames]

    def _step(self, batch: DetectionBatch, frame: int) -> list[Track]:
        free = list(range(*batch.starts[frame : frame + 2]))
        for track in self._open:
            if free:
                (iou,) = iou_matrix(self._last_box(batch, track), batch.boxes[free])
                if iou.max() >= self._settings.min_iou:
                    track.add([free.pop(int(iou.argmax()))])
        for face in free:
            self._begin().add([face])
        earliest = int(batch.index[frame]) - self._settings.max_gap
        ended = [track for track in self._open if self._last_frame(batch, track) < earliest]
        self._open = [track for track in self._open if track not in ended]
        return ended

    def _last_box(self, batch: DetectionBatch, track: Track) -> np.ndarray:
        track.settle(batch, self._times_s)
        return track.rows["box"][-1:]

    def _last_frame(self, batch: DetectionBatch, track: Track) -> int:
        track.settle(batch, self._times_s)
        return track.last_frame
