"""Frames of one shot, whose faces they seem to show, and which of these guesses need a look."""

from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import iou_matrices, iou_matrix
from facetrack.core.settings import TrackingSettings
from facetrack.tracking.association import Pairs, costs, unclear, unsure
from facetrack.tracking.detection_batch import DetectionBatch
from facetrack.tracking.guess import Guess, each_others_best
from facetrack.tracking.motion import Motion, MotionHistory

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


class Run:
    """Tracks count from 0: those that are open before the first frame, then new ones as they come.

    What is said of a frame holds if the guesses of all frames before are right. Frames count from
    0 in the run.
    """

    def __init__(
        self,
        faces: DetectionBatch,
        frames: slice,
        start: Motion,
        known: Pairs | None,
        settings: TrackingSettings,
    ) -> None:
        """``known``: the pairs of the first frame, of which no guess is needed then."""
        self._faces, self._frames = faces, frames
        index = faces.index[frames]
        self.length = len(index)
        self._starts = faces.starts[frames.start : frames.stop + 1]
        of_run = slice(self._starts[0], self._starts[-1])
        at, place = faces.at[of_run] - frames.start, faces.place[of_run]
        self.tracks = np.array(self._guessed(start, known, settings), np.int64)
        """``(k,)`` of the faces of the run."""
        self._course = course = MotionHistory(start, index, at, self.tracks, faces.boxes[of_run])
        self._continues = np.where(course.begun[at, self.tracks], self.tracks, -1)
        """``(k,)`` the same, with -1 for faces that begin a track."""
        last_frames = np.concatenate([index[:1] - 1, index])
        self.open: Bools = course.begun & (last_frames[:, None] - course.frames <= settings.max_gap)
        """``(f + 1, n)`` which tracks are, before each frame and after the last one."""
        iou = iou_matrices(course.predicted, faces.by_frame[frames])
        possible = iou >= settings.min_iou
        possible &= self.open[:-1, :, None] & faces.real[frames, None]
        doubtful = self._doubtful(at, place, 1.0 - iou, possible)
        if known is not None:
            doubtful[0] = False
        self.doubtful: list[int] = np.flatnonzero(doubtful).tolist()
        """The frames of whose guess it must be seen whether it is right."""
        cost = costs(iou[doubtful], possible[doubtful])
        doubts = unclear(cost, possible[doubtful], course.away[doubtful])
        self._associations = dict(zip(self.doubtful, zip(cost, doubts, strict=True), strict=True))
        """Of the doubtful frames the costs and the unclear pairs."""
        self._taken = 0
        """Faces that were taken."""

    def _guessed(self, start: Motion, known: Pairs | None, settings: TrackingSettings) -> list[int]:
        faces, starts = self._faces, self._starts
        if known is None:
            expected = start.predicted(int(faces.index[self._frames.start]))
            iou = iou_matrix(expected, faces.boxes[starts[0] : starts[1]])
            first = each_others_best(iou, settings.min_iou)
        else:
            first = _tracks_of(known, starts[1] - starts[0])
        boxes = faces.boxes[starts[0] : starts[-1]].tolist()
        of_frame = [boxes[a - starts[0] : b - starts[0]] for a, b in pairwise(starts)]
        guess = Guess(start, settings)
        tracks = [guess.first(first.tolist(), of_frame[0])]
        rest = slice(self._frames.start + 1, self._frames.stop)
        index, before = faces.index[rest].tolist(), faces.before[rest]
        tracks += map(guess.next, index, of_frame[1:], before)
        return [*chain.from_iterable(tracks)]

    def _doubtful(self, at: Int64, place: Int64, cost: Float64, possible: Bools) -> Bools:
        """``(f,)`` all frames but those in which each possible pair was guessed, and is sure: then
        these pairs are the cheapest ones, and none is unclear."""
        goes_on = self._continues >= 0
        at, tracks, place = at[goes_on], self.tracks[goes_on], place[goes_on]
        guessed = np.zeros_like(possible)
        guessed[at, tracks, place] = True
        doubtful = (possible != guessed).any(axis=(1, 2))
        doubtful[at[unsure(cost[at, tracks, place], self._course.away[at, tracks])]] = True
        return np.asarray(doubtful)

    def association(self, frame: int) -> tuple[Float64, Bools]:
        """``(n, m)`` costs and unclear pairs of the open tracks and the faces of a doubtful
        frame."""
        count = self._starts[frame + 1] - self._starts[frame]
        cost, doubts = self._associations[frame]
        return cost[self.open[frame], :count], doubts[self.open[frame], :count]

    def open_before(self, frame: int) -> NDArray[np.intp]:
        """The open tracks; pairs name them by their positions among these."""
        return np.flatnonzero(self.open[frame])

    def is_right(self, frame: int, pairs: Pairs) -> bool:
        """Whether these pairs were guessed."""
        a, b = (start - self._starts[0] for start in self._starts[frame : frame + 2])
        known, theirs = pairs
        found = _tracks_of((self.open_before(frame)[known], theirs), b - a)
        return bool((found == self._continues[a:b]).all())

    def take(self, frames: int) -> Iterator[tuple[int, list[int]]]:
        """Tracks, in order, and the numbers of their faces in so many of the frames, if they were
        not taken before."""
        start, self._taken = self._taken, self._starts[frames] - self._starts[0]
        tracks = self.tracks[start : self._taken]
        for track in np.unique(tracks).tolist():
            faces = (tracks == track).nonzero()[0] + (self._starts[0] + start)
            yield track, faces.tolist()

    def ended(self, frames: int) -> list[NDArray[np.intp]]:
        """The tracks that were lost for too long within so many frames, by the frame that ended
        them."""
        over = self._course.begun[: frames + 1] & ~self.open[: frames + 1]
        tracks = np.flatnonzero(over[-1])
        at = over[:, tracks].argmax(axis=0)
        return [tracks[at == frame] for frame in np.unique(at)]

    def motion(self, frames: int) -> Motion:
        """Of the tracks that are open after so many frames."""
        return self._course.after(frames, self.open[frames])


def _tracks_of(pairs: Pairs, faces: int) -> NDArray[np.intp]:
    """``(faces,)`` the track of each face, -1 for none."""
    tracks = np.full(faces, -1)
    tracks[pairs[1]] = pairs[0]
    return tracks
