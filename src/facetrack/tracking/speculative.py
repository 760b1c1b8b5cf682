"""The tracks of ``SortTracker``, found for many frames at once; used where a GPU detects.

``SortTracker`` needs the pairs of one frame to predict the next one, so it makes tens of NumPy
calls for each frame. A GPU detects faster than that. This tracker takes up to ``MAX_FRAMES`` frames
of a shot in one step:

1. propose: the track of each face, from the overlap of successive frames' boxes alone
   (``OverlapProposal``). This is right for nearly all frames.
2. predict: the motion of all tracks in all frames, if the proposal is right (``MotionHistory``).
3. cost: of all frames at once. A frame in which the possible pairs are just the proposed ones, and
   overlap settles each, needs no more: the proposal is right.
4. associate: every other frame, in order, as ``SortTracker`` does, until the pairs of one differ
   from the proposal. The frames before it are done.
5. repeat from that frame, whose pairs are known now.

So each frame gets the same pairs, from the same numbers, as it gets from ``SortTracker``; a wrong
proposal only costs time. ``tests/contract`` compares the two.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.association import (
    Bools,
    Float64,
    Int64,
    Pairs,
    Positions,
    costs,
    least_cost_pairs,
    mutual_best,
    unclear,
    unsure,
)
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.motion import Motion
from facetrack.tracking.protocol import TrackerBase
from facetrack.tracking.speculative_steps import MAX_FRAMES, MotionHistory, OverlapProposal
from facetrack.tracking.tracks import Track

MIN_FRAMES = 8
"""Frames of a step where proposals are often wrong."""


class SpeculativeTracker(TrackerBase):
    """Implements ``Tracker``, with the same tracks as ``SortTracker``."""

    def __init__(self, settings: TrackingSettings, max_crops: int, embedder: FaceEmbedder) -> None:
        """As ``TrackerBase``."""
        super().__init__(settings, max_crops, embedder)
        self._motion = Motion.none()
        """Of the open tracks, in their order."""
        self._step_frames = MAX_FRAMES
        """Frames of the next step: twice as many as were right in the last one."""

    def follow(self, batch: DetectionBatch, frames: range) -> list[list[Track]]:
        ended = []
        start = frames.start
        pairs: Pairs | None = None
        while start < frames.stop:
            some = slice(start, min(start + self._step_frames, frames.stop))
            proposal = Speculation(batch, some, self._motion, pairs, self.settings)
            right, pairs = self._check(proposal, batch, start)
            self._step_frames = min(max(2 * right, MIN_FRAMES), MAX_FRAMES)
            ended += [[self.open_tracks[track] for track in lost] for lost in proposal.ended(right)]
            going_on = np.flatnonzero(proposal.open[right])
            self.open_tracks = [self.open_tracks[track] for track in going_on]
            self._motion = proposal.motion(right)
            start += right
        return ended

    def _check(
        self, proposal: "Speculation", batch: DetectionBatch, start: int
    ) -> tuple[int, Pairs | None]:
        """Gives the tracks their faces in all frames before the first wrong one.

        Returns:
            How many frames are right, and the pairs of the wrong one.
        """
        for frame in proposal.doubtful:
            embeddings = partial(self._embeddings_in, proposal, frame, batch, start)
            pairs = least_cost_pairs(*proposal.association(frame), embeddings)
            if not proposal.is_right(frame, pairs):
                self._add_faces(proposal, frame)
                return frame, pairs
        self._add_faces(proposal, proposal.length)
        return proposal.length, None

    def _add_faces(self, proposal: "Speculation", frames: int) -> None:
        for track, faces in proposal.take(frames):
            (self.begin() if track == len(self.open_tracks) else self.open_tracks[track]).add(faces)

    def _embeddings_in(
        self,
        proposal: "Speculation",
        frame: int,
        batch: DetectionBatch,
        start: int,
        tracks: Positions,
        faces: Positions,
    ) -> tuple[list[Float32], list[Float32]]:
        self._add_faces(proposal, frame)
        compared = [self.open_tracks[track] for track in proposal.open_before(frame)[tracks]]
        return self.embeddings(batch, start + frame, compared, faces.tolist())

    def end_all(self) -> list[Track]:
        self._motion = Motion.none()
        return super().end_all()


class Speculation:
    """Frames of one shot with proposed tracks, and which of the frames are doubtful.

    Tracks are numbered from 0: the open ones, then new ones as they begin. Frames are numbered
    from 0. Statements on a frame assume that the proposal is right for all earlier frames.
    """

    def __init__(
        self,
        batch: DetectionBatch,
        frames: slice,
        start: Motion,
        pairs: Pairs | None,
        settings: TrackingSettings,
    ) -> None:
        """
        Args:
            batch: holds the faces.
            frames: which frames of the batch.
            start: of the open tracks before the first frame.
            pairs: of the first frame, if they are known.
            settings: as the tracker's.
        """
        self._batch, self._frames = batch, frames
        index = batch.index[frames]
        self.length = len(index)
        self._starts = batch.starts[frames.start : frames.stop + 1]
        mine = slice(self._starts[0], self._starts[-1])
        at, place = batch.at[mine] - frames.start, batch.place[mine]
        self.tracks = np.array(self._proposed(start, pairs, settings), np.int64)
        """``(k,)`` of each face."""
        self._history = history = MotionHistory(start, index, at, self.tracks, batch.boxes[mine])
        self._continued = np.where(history.begun[at, self.tracks], self.tracks, -1)
        """``(k,)`` the same, with -1 for faces that begin a track."""
        last_frames = np.concatenate([index[:1] - 1, index])
        lost = last_frames[:, None] - history.frames
        self.open: Bools = history.begun & (lost <= settings.max_gap)
        """``(f + 1, n)`` which tracks are open before each frame and after the last one."""
        iou = iou_matrix(history.predicted, batch.by_frame[frames])
        possible = iou >= settings.min_iou
        possible &= self.open[:-1, :, None] & batch.real[frames, None]
        doubtful = self._doubtful(at, place, 1.0 - iou, possible)
        if pairs is not None:
            doubtful[0] = False
        self.doubtful: list[int] = np.flatnonzero(doubtful).tolist()
        """The frames that must be associated to know whether the proposal is right."""
        cost = costs(iou[doubtful], possible[doubtful])
        unsettled = unclear(cost, possible[doubtful], history.lost[doubtful])
        of_frames = zip(cost, unsettled, strict=True)
        self._associations = dict(zip(self.doubtful, of_frames, strict=True))
        """Costs and unclear pairs of the doubtful frames."""
        self._taken = 0
        """Faces that ``take`` has given."""

    def association(self, frame: int) -> tuple[Float64, Bools]:
        """``(n, m)`` costs and unclear pairs of the open tracks and the faces of a doubtful
        frame."""
        count = self._starts[frame + 1] - self._starts[frame]
        cost, unsettled = self._associations[frame]
        return cost[self.open[frame], :count], unsettled[self.open[frame], :count]

    def open_before(self, frame: int) -> NDArray[np.intp]:
        """The open tracks; pairs name tracks by their positions among these."""
        return np.flatnonzero(self.open[frame])

    def is_right(self, frame: int, pairs: Pairs) -> bool:
        """Whether these pairs of a frame are the proposed ones."""
        a, b = (start - self._starts[0] for start in self._starts[frame : frame + 2])
        tracks, faces = pairs
        found = _tracks_of((self.open_before(frame)[tracks], faces), b - a)
        return bool((found == self._continued[a:b]).all())

    def take(self, frames: int) -> Iterator[tuple[int, list[int]]]:
        """Tracks, ascending, and the numbers of their faces in the first ``frames`` frames,
        without those that were taken before."""
        start, self._taken = self._taken, self._starts[frames] - self._starts[0]
        tracks = self.tracks[start : self._taken]
        for track in np.unique(tracks).tolist():
            faces = (tracks == track).nonzero()[0] + (self._starts[0] + start)
            yield track, faces.tolist()

    def ended(self, frames: int) -> list[NDArray[np.intp]]:
        """The tracks that were lost for too long within the first ``frames`` frames, one array for
        each frame that ended some."""
        over = self._history.begun[: frames + 1] & ~self.open[: frames + 1]
        tracks = np.flatnonzero(over[-1])
        at = over[:, tracks].argmax(axis=0)
        return [tracks[at == frame] for frame in np.unique(at)]

    def motion(self, frames: int) -> Motion:
        """Of the tracks that are open after the first ``frames`` frames."""
        return self._history.after(frames, self.open[frames])

    def _proposed(
        self, start: Motion, pairs: Pairs | None, settings: TrackingSettings
    ) -> list[int]:
        """The track of each face."""
        batch, starts = self._batch, self._starts
        if pairs is None:
            expected = start.predicted(int(batch.index[self._frames.start]))
            iou = iou_matrix(expected, batch.boxes[starts[0] : starts[1]])
            first = mutual_best(iou, settings.min_iou)
        else:
            first = _tracks_of(pairs, starts[1] - starts[0])
        boxes = batch.boxes[starts[0] : starts[-1]].tolist()
        by_frame = [boxes[a - starts[0] : b - starts[0]] for a, b in pairwise(starts)]
        proposal = OverlapProposal(start, settings)
        tracks = [proposal.first(first.tolist(), by_frame[0])]
        rest = slice(self._frames.start + 1, self._frames.stop)
        tracks += map(proposal.next, batch.index[rest].tolist(), by_frame[1:], batch.previous[rest])
        return [*chain.from_iterable(tracks)]

    def _doubtful(self, at: Int64, place: Int64, cost: Float64, possible: Bools) -> Bools:
        """``(f,)`` where the possible pairs are not the proposed ones, or one is unsure. In all
        others the proposed pairs are those of least cost and none needs an embedding."""
        continued = self._continued >= 0
        at, tracks, place = at[continued], self.tracks[continued], place[continued]
        proposed = np.zeros_like(possible)
        proposed[at, tracks, place] = True
        doubtful = (possible != proposed).any(axis=(1, 2))
        doubtful[at[unsure(cost[at, tracks, place], self._history.lost[at, tracks])]] = True
        return np.asarray(doubtful)


def _tracks_of(pairs: Pairs, faces: int) -> NDArray[np.intp]:
    """``(faces,)`` the track of each face, -1 for none."""
    tracks = np.full(faces, -1)
    tracks[pairs[1]] = pairs[0]
    return tracks
