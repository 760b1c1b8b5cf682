"""The reference tracker: SORT with appearance, one frame at a time.

For each frame:

1. predict: move each open track's box on at its velocity (``motion``).
2. cost: ``1 - IoU`` of each predicted box and each detected face.
3. associate: the pairs of least total cost; where overlap is unclear, embeddings count too
   (``association``).
4. update: a track that has a pair takes the face, and its velocity is corrected.
5. begin: a face without a pair begins a track.
6. end: a track that was lost for more than ``max_gap`` frames ends.

As in SORT (Bewley et al., ICIP 2016) and Deep SORT (Wojke et al., ICIP 2017), but for two things:
a smoothed velocity stands in for the Kalman filter, as a face's box is precise and gaps are short;
and an embedding is made only for pairs that overlap does not settle, as it costs milliseconds.

A frame of seven faces takes a few hundred microseconds. ``speculative`` finds the same tracks
faster when it gets many frames at once.
"""

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.association import (
    Bools,
    Float64,
    Pairs,
    Positions,
    associate,
    costs,
)
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.motion import Motion
from facetrack.tracking.protocol import TrackerBase
from facetrack.tracking.tracks import Track


class SortTracker(TrackerBase):
    """Implements ``Tracker``."""

    def __init__(self, settings: TrackingSettings, max_crops: int, embedder: FaceEmbedder) -> None:
        """As ``TrackerBase``."""
        super().__init__(settings, max_crops, embedder)
        self._motion = Motion.none()
        """Of the open tracks, in their order."""

    def follow(self, batch: DetectionBatch, frames: range) -> list[list[Track]]:
        return [self._step(batch, frame) for frame in frames]

    def _step(self, batch: DetectionBatch, frame: int) -> list[Track]:
        """Tracks one frame of the batch; returns the tracks that it ended."""
        index = int(batch.index[frame])
        first, end = batch.starts[frame : frame + 2]
        boxes = batch.boxes[first:end]

        predicted = self._motion.predicted(index)
        cost, possible = self._cost(predicted, boxes)
        tracks, faces = self._associate(batch, frame, cost, possible)
        self._update(index, tracks, faces + first, boxes[faces])
        if len(faces) < len(boxes):
            new = np.setdiff1d(np.arange(len(boxes)), faces, assume_unique=True)
            self._begin_all(index, new + first, boxes[new])
        return self._end_lost(index)

    def _cost(self, predicted: Float32, boxes: Float32) -> tuple[Float64, Bools]:
        """``(n, m)`` costs of tracks and faces, and which pairs are possible."""
        iou = iou_matrix(predicted, boxes)
        possible = iou >= self.settings.min_iou
        return costs(iou, possible), possible

    def _associate(
        self, batch: DetectionBatch, frame: int, cost: Float64, possible: Bools
    ) -> Pairs:
        """Positions of open tracks, and of the face of each among the faces of the frame."""

        def embeddings(tracks: Positions, faces: Positions) -> tuple[list[Float32], list[Float32]]:
            compared = [self.open_tracks[track] for track in tracks.tolist()]
            return self.embeddings(batch, frame, compared, faces.tolist())

        lost = self._motion.frames_lost(int(batch.index[frame]))
        return associate(cost, possible, lost, embeddings)

    def _update(self, index: int, tracks: Positions, faces: Positions, boxes: Float32) -> None:
        """Continues tracks with these faces, given by their numbers in the batch."""
        for track, face in zip(tracks.tolist(), faces.tolist(), strict=True):
            self.open_tracks[track].add([face])
        self._motion.correct(index, tracks, boxes)

    def _begin_all(self, index: int, faces: Positions, boxes: Float32) -> None:
        """Begins a track with each of these faces."""
        for face in faces.tolist():
            self.begin().add([face])
        self._motion.add(index, boxes)

    def _end_lost(self, index: int) -> list[Track]:
        """Ends the tracks that were lost for too long, the frame included."""
        stays = index - self._motion.frames <= self.settings.max_gap
        if stays.all():
            return []
        ended = [track for track, kept in zip(self.open_tracks, stays, strict=True) if not kept]
        self.open_tracks = [
            track for track, kept in zip(self.open_tracks, stays, strict=True) if kept
        ]
        self._motion.keep(stays)
        return ended

    def end_all(self) -> list[Track]:
        self._motion = Motion.none()
        return super().end_all()
