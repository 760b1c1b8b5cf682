"""Joins the faces of successive frames into tracks. Tracks never cross a shot boundary.

Whose the faces of a frame are depends on how the tracks moved in all frames before, so it can only
be found frame by frame. But it is easily guessed. So whose the faces of many frames are is guessed,
how the tracks moved then is computed for all these frames at once, and with that the guess is
checked: each frame up to the first whose guess was wrong got what it would have got alone.
"""

from collections.abc import Sequence
from functools import partial
from itertools import chain, pairwise

import numpy as np

from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.detection.frame_detections import FrameDetections
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.association import Pairs, Positions, associated
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.local_changes import LocalChanges
from facetrack.tracking.motion import LONGEST_COURSE, Motion
from facetrack.tracking.runs import Run
from facetrack.tracking.tracks import Track

SHORTEST_RUN = 8
"""Frames whose faces are guessed at once where guesses are often wrong."""


class Tracker:
    """Feed frames in order with ``update``; closed tracks come back as they end.

    Memory: the open tracks' rows and face crops, and one presentation time for each frame of the
    longest gap.
    """

    def __init__(self, settings: TrackingSettings, max_crops: int, embedder: FaceEmbedder) -> None:
        self.settings = settings
        self._max_crops = max_crops
        self._embedder = embedder
        self._open: list[Track] = []
        self._motion = Motion.of_none()
        """Of the open tracks, in their order."""
        self._changes = LocalChanges()
        self._next_id = 1
        self._times_s: dict[int, float] = {}
        """Of the frames at hand, and of those before that a gap may reach back to."""
        self._ahead = LONGEST_COURSE
        """Frames whose faces are guessed at once: fewer where guesses are wrong."""

    @property
    def started(self) -> int:
        """Tracks begun so far."""
        return self._next_id - 1

    def update(self, together: Sequence[FrameDetections]) -> list[list[Track]]:
        """Takes the faces of the next frames; the tracks that ended, by the frame that ended them.

        Rows and face crops are made at the end, a track's all at once. Crops are cut out then: one
        that gives way to a better one before costs nothing.
        """
        if not together:
            return []
        faces = DetectionBatch(together, self.settings.min_iou, self._changes)
        self._times_s |= {frame.index: frame.time_s for frame, _, _ in together}
        cuts = [i for i, one in enumerate(together) if one.starts_shot]
        ended = self._follow(faces, 0, cuts[0] if cuts else len(together))
        for start, end in pairwise([*cuts, len(together)]):
            ended += [self._end_all(), *self._follow(faces, start, end)]
        for track in chain(self._open, *ended):
            track.settle(faces, self._times_s)
        for track in chain(*ended):
            track.end()
        tracks = chain(self._open, *ended)
        self._embedder.release_frames(crop for track in tracks for crop in track.crops.values())
        for past in list(self._times_s)[: max(0, len(self._times_s) - self.settings.max_gap)]:
            del self._times_s[past]
        return [tracks for tracks in ended if tracks]

    def finish(self) -> list[Track]:
        """Ends all tracks, at the end of the video."""
        ended = self._end_all()
        for track in ended:
            track.end()
        return ended

    def _end_all(self) -> list[Track]:
        ended, self._open, self._motion = self._open, [], Motion.of_none()
        return ended

    def _follow(self, faces: DetectionBatch, start: int, end: int) -> list[list[Track]]:
        """Through these frames, which are of one shot; the tracks that ended."""
        ended = []
        known: Pairs | None = None
        while start < end:
            frames = slice(start, min(start + self._ahead, end))
            run = Run(faces, frames, self._motion, known, self.settings)
            right, known = self._check(run, faces, start)
            self._ahead = min(max(2 * right, SHORTEST_RUN), LONGEST_COURSE)
            ended += [[self._open[track] for track in over] for over in run.ended(right)]
            self._open = [self._open[track] for track in np.flatnonzero(run.open[right])]
            self._motion = run.motion(right)
            start += right
        return ended

    def _check(self, run: Run, faces: DetectionBatch, start: int) -> tuple[int, Pairs | None]:
        """Gives the tracks their faces for as long as the guesses are right: for how many frames
        they are, and the pairs of the frame after these."""
        for frame in run.doubtful:
            look = partial(self._look, run, frame, faces, faces.seen[start + frame])
            pairs = associated(*run.association(frame), look)
            if not run.is_right(frame, pairs):
                self._give(run, frame)
                return frame, pairs
        self._give(run, run.length)
        return run.length, None

    def _give(self, run: Run, frames: int) -> None:
        for track, faces in run.take(frames):
            if track == len(self._open):
                self._open.append(Track(self._next_id, self._max_crops))
                self._next_id += 1
            self._open[track].see(faces)

    def _look(
        self,
        run: Run,
        frame: int,
        together: DetectionBatch,
        seen: FrameDetections,
        tracks: Positions,
        faces: Positions,
    ) -> tuple[list[Float32], list[Float32]]:
        """The embeddings of the tracks' best poses before this frame, and of its faces."""
        self._give(run, frame)
        known = [self._open[track] for track in run.open_before(frame)[tracks]]
        for track in known:
            track.settle(together, self._times_s)
        crops = [track.best_pose for track in known]
        crops += [FaceCrop(seen.frame, seen.faces, i, 0.0) for i in faces.tolist()]
        self._embedder.embed(crops)
        vectors = [crop.embedding for crop in crops if crop.embedding is not None]
        return vectors[: len(known)], vectors[len(known) :]
