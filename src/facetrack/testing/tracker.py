"""A fake tracker: overlap with the last box alone, greedily."""

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.protocol import TrackerBase
from facetrack.tracking.tracks import Track


class FakeTracker(TrackerBase):
    """Implements ``Tracker`` without motion and appearance: it never asks the embedder, and people
    who pass each other may swap. As the IOU tracker of Bochinski et al. (AVSS 2017)."""

    def follow(self, batch: DetectionBatch, frames: range) -> list[list[Track]]:
        return [self._step(batch, frame) for frame in frames]

    def _step(self, batch: DetectionBatch, frame: int) -> list[Track]:
        free = list(range(*batch.starts[frame : frame + 2]))
        for track in self.open_tracks:
            if free:
                (iou,) = iou_matrix(self._last_box(batch, track), batch.boxes[free])
                if iou.max() >= self.settings.min_iou:
                    track.add([free.pop(int(iou.argmax()))])
        for face in free:
            self.begin().add([face])
        earliest = int(batch.index[frame]) - self.settings.max_gap
        ended = [track for track in self.open_tracks if self._last_frame(batch, track) < earliest]
        self.open_tracks = [track for track in self.open_tracks if track not in ended]
        return ended

    def _last_box(self, batch: DetectionBatch, track: Track) -> np.ndarray:
        self.settle(batch, track)
        return track.rows["box"][-1:]

    def _last_frame(self, batch: DetectionBatch, track: Track) -> int:
        self.settle(batch, track)
        return track.last_frame
