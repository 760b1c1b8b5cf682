"""The interface of trackers, and the part of tracking that all trackers share.

A new tracker is one class: inherit from ``TrackerBase`` and say in ``follow`` which detection
continues which track. Cuts, rows, gaps, face crops and memory are taken care of here.
``facetrack.testing.FakeTracker`` is an example.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Protocol

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.detection.detector import FrameDetections
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.across_cuts import in_place, is_the_same
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.local_changes import LocalChanges
from facetrack.tracking.tracks import Track


class Tracker(Protocol):
    """Joins the detections of successive frames of one video into tracks.

    The tracks do not depend on how many frames each call is given. ``tests/contract`` holds what
    every tracker must do.
    """

    @property
    def started(self) -> int:
        """Number of tracks begun so far; their ids count from 1."""
        ...

    def update(self, detections: Sequence[FrameDetections]) -> list[list[Track]]:
        """Tracks the next frames, whose indices follow on one another.

        Returns:
            The tracks that ended, in order: one list for each frame that ended some. A frame that
            starts a shot ends the tracks whose faces do not go on in it.
        """
        ...

    def finish(self) -> list[Track]:
        """Ends the open tracks after the last frame of the video, and returns them."""
        ...


class TrackerBase(ABC):
    """Ends tracks at cuts and makes their rows and face crops; ``follow`` associates.

    Tracks end at a cut unless their faces go on across it (``across_cuts``).

    Memory: rows and face crops of the open tracks, and the presentation times of ``max_gap``
    frames.
    """

    def __init__(self, settings: TrackingSettings, max_crops: int, embedder: FaceEmbedder) -> None:
        """
        Args:
            settings: ``max_gap`` and ``min_iou`` are used.
            max_crops: most face crops that a track keeps for its embedding.
            embedder: for faces whose appearance a tracker compares.
        """
        self.settings = settings
        self._max_crops = max_crops
        self._embedder = embedder
        self.open_tracks: list[Track] = []
        """The tracks that may go on, in the order in which they began. ``follow`` takes out those
        that were lost for too long."""
        self._changes = LocalChanges()
        self._going_on: deque[Track | None] = deque()
        """For each face of the first frame of a shot the track that it continues, until it does."""
        self._next_id = 1
        self._times_s: dict[int, float] = {}
        """Presentation times of the frames at hand, and of those that a gap may reach back to."""

    @property
    def started(self) -> int:
        """Number of tracks begun so far."""
        return self._next_id - 1

    def update(self, detections: Sequence[FrameDetections]) -> list[list[Track]]:
        """As ``Tracker.update``.

        Rows and face crops are made after the last frame, for each track at once: crops that a
        better one replaces within these frames are never cut out.
        """
        if not detections:
            return []
        batch = DetectionBatch(detections, self.settings.min_iou, self._changes)
        self._times_s |= {frame.index: frame.time_s for frame, _, _ in detections}
        cuts = [i for i, one in enumerate(detections) if one.starts_shot]
        ended = self.follow(batch, range(cuts[0] if cuts else len(detections)))
        for start, stop in pairwise([*cuts, len(detections)]):
            ended += [self._end_at_cut(batch, start), *self.follow(batch, range(start, stop))]
        for track in chain(self.open_tracks, *ended):
            self.settle(batch, track)
        for track in chain(*ended):
            track.end()
        tracks = chain(self.open_tracks, *ended)
        self._embedder.release_frames(crop for track in tracks for crop in track.crops.values())
        for past in list(self._times_s)[: max(0, len(self._times_s) - self.settings.max_gap)]:
            del self._times_s[past]
        return [tracks for tracks in ended if tracks]

    def finish(self) -> list[Track]:
        """As ``Tracker.finish``."""
        ended = self.end_all()
        for track in ended:
            track.end()
        return ended

    @abstractmethod
    def follow(self, batch: DetectionBatch, frames: range) -> list[list[Track]]:
        """Gives the faces of some frames of the batch, all of one shot, to tracks.

        Where no track is open, each face of the first frame begins one, in the order of the faces.

        Returns:
            The tracks that ended because they were lost for too long; one list for each frame that
            ended some. They are not in ``open_tracks`` any more.
        """

    def begin(self) -> Track:
        """A new open track, or one that a face of the first frame of a shot continues. It is in
        ``open_tracks``; its first face is to be added next."""
        track = self._going_on.popleft() if self._going_on else None
        if track is None:
            track = Track(self._next_id, self._max_crops)
            self._next_id += 1
        self.open_tracks.append(track)
        return track

    def _end_at_cut(self, batch: DetectionBatch, frame: int) -> list[Track]:
        """Closes all tracks; those whose faces go on in this frame will be opened again."""
        for track in self.open_tracks:
            self.settle(batch, track)
        ended = self.end_all()
        pairs = in_place(ended, batch, frame)
        image, _, detected = batch.detections[frame]
        crops = {face: FaceCrop(image, detected, face, 0.0) for face, _ in pairs}
        if pairs:
            self._embedder.embed([*crops.values(), *(track.best_pose for _, track in pairs)])
        calibration = self._embedder.calibration
        same = {f: t for f, t in pairs if is_the_same(t.best_pose, crops[f], calibration)}
        self._going_on = deque(map(same.get, range(len(detected)))) if same else deque()
        going_on = {track.id for track in same.values()}
        return [track for track in ended if track.id not in going_on]

    def end_all(self) -> list[Track]:
        """Closes all tracks, at a cut and at the end. A tracker that knows more of its open tracks,
        as their motion, overrides this to forget it."""
        ended, self.open_tracks = self.open_tracks, []
        return ended

    def settle(self, batch: DetectionBatch, track: Track) -> None:
        """Makes the rows of the faces that a track was given in this batch. Before that,
        ``track.rows`` and ``track.last_frame`` do not know of them."""
        track.settle(batch, self._times_s)

    def embeddings(
        self, batch: DetectionBatch, frame: int, tracks: Sequence[Track], faces: Sequence[int]
    ) -> tuple[list[Float32], list[Float32]]:
        """``(dim,)`` unit vectors of each track's best pose so far, and of faces of a frame.

        Args:
            batch: the frames at hand.
            frame: position of the frame in the batch.
            tracks: have the faces of all frames before it.
            faces: positions among the faces of the frame.
        """
        for track in tracks:
            self.settle(batch, track)
        image, _, detected = batch.detections[frame]
        crops = [track.best_pose for track in tracks]
        crops += [FaceCrop(image, detected, i, 0.0) for i in faces]
        self._embedder.embed(crops)
        vectors = [crop.embedding for crop in crops if crop.embedding is not None]
        return vectors[: len(tracks)], vectors[len(tracks) :]
