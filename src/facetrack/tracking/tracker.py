"""Joins the faces of successive frames into tracks: overlap first, appearance where it is unclear.

Tracks never cross a shot boundary. The assignment is the cheapest one over all pairs (SciPy's
Hungarian solver), not the greedy one, so crossing people do not swap.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.detection.boxes import iou_matrix
from facetrack.media.picture import Frame
from facetrack.recognition.chip import Chip, Embed, embedded, let_pictures_go
from facetrack.recognition.chips import pose_quality
from facetrack.settings import TrackingSettings
from facetrack.tracking.motion import Motion
from facetrack.tracking.rows import Rows, rows_of
from facetrack.tracking.seen import Seen
from facetrack.tracking.tracks import Track
from facetrack.types import Faces

APPEARANCE_WEIGHT = 0.5
"""What a full disagreement in appearance costs, in units of IoU."""
SOMEONE_ELSE = 0.15
"""Cosine similarity below which an unclear pair is never joined."""
CLEARLY_BETTER = 0.3
"""IoU by which the best pair leads the next one where overlap alone settles it."""
SHORTLY, SAME_PLACE = 3, 0.5
"""Frames for which a face may be lost, and the IoU with which it must come back, to be itself
without a look at its appearance."""
NEVER = 1e6


Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Positions of tracks, in order, and of the faces that are theirs."""


class Tracker:
    """Feed frames in order with ``update``; closed tracks come back as they end.

    Memory: the open tracks' rows and chips, and one presentation time for each frame of the
    longest gap.
    """

    def __init__(self, settings: TrackingSettings, max_chips: int, embed: Embed) -> None:
        self.settings = settings
        self._max_chips = max_chips
        self._embed = embed
        self._open: list[Track] = []
        self._motion = Motion()
        """Of the open tracks, in their order."""
        self._next_id = 1
        self._times_s: dict[int, float] = {}
        self._with_new_chips: set[Track] = set()

    @property
    def started(self) -> int:
        """Tracks begun so far."""
        return self._next_id - 1

    def update(self, together: Sequence[Seen]) -> list[list[Track]]:
        """Takes the faces of the next frames; the tracks that ended, by the frame that ended them.

        What is a matter of each face alone is found for all at once. Chips are cut out at the end:
        one that gives way to a better one before costs nothing.
        """
        rows = rows_of(together)
        poses = pose_quality(rows["box"], rows["landmarks"], rows["score"]).tolist()
        ended, at = [], 0
        for frame, starts_shot, faces in together:
            of_frame = slice(at, at := at + len(faces))
            over = self.finish() if starts_shot else []
            self._remember_time(frame)
            if len(faces):
                self._take(frame, faces, rows[of_frame], poses[of_frame])
            over += self._close_lost(frame.index)
            if over:
                ended.append(over)
        new = [chip for track in self._with_new_chips for chip in track.chips.values()]
        self._with_new_chips.clear()
        let_pictures_go(new)
        return ended

    def finish(self) -> list[Track]:
        """Ends all tracks: at a cut and at the end of the video."""
        return self._end(np.ones(len(self._open), dtype=bool))

    def _take(self, frame: Frame, faces: Faces, rows: Rows, poses: list[float]) -> None:
        known, theirs = self._associate(frame, faces)
        gaps = (frame.index - 1 - self._motion.frames[known]).tolist()
        for k, i, gap in zip(known.tolist(), theirs.tolist(), gaps, strict=True):
            track = self._open[k]
            if gap:
                track.bridge(rows[i], self._times_s)
                self._motion.put(k, frame.index - 1, track.rows["box"][-1])
            self._continue(track, rows[i], frame, faces, i, poses[i])
        self._motion.see(known, frame.index, faces.boxes[theirs])
        if len(theirs) < len(faces):
            new = np.setdiff1d(np.arange(len(faces)), theirs)
            for i in new.tolist():
                self._open.append(Track(self._next_id, self._max_chips))
                self._next_id += 1
                self._continue(self._open[-1], rows[i], frame, faces, i, poses[i])
            self._motion.begin(frame.index, faces.boxes[new])

    def _continue(
        self, track: Track, row: np.void, frame: Frame, faces: Faces, i: int, pose: float
    ) -> None:
        track.add(row)
        if track.keep_chip(frame, faces, i, pose):
            self._with_new_chips.add(track)

    def _associate(self, frame: Frame, faces: Faces) -> Pairs:
        iou = iou_matrix(self._motion.predicted(frame.index), faces.boxes)
        possible = iou >= self.settings.min_iou
        away = frame.index - 1 - self._motion.frames
        settled = only_pairs(possible)
        if settled is not None and not away[settled[0]].any():
            return settled
        cost = np.where(possible, 1.0 - iou, NEVER)
        self._weigh_appearance(frame, faces, possible, cost, away[:, None])
        return cheapest(cost)

    def _weigh_appearance(
        self,
        frame: Frame,
        faces: Faces,
        possible: NDArray[np.bool_],
        cost: NDArray[np.float64],
        away: NDArray[np.int64],
    ) -> None:
        """Adds appearance to the cost of pairs that overlap alone does not settle.

        ``away``: ``(n, 1)`` frames for which each track was lost.
        """
        elsewhere = (away > 0) & (cost > 1 - SAME_PLACE)
        unclear = possible & (_rivals(cost, possible) | elsewhere | (away > SHORTLY))
        if not unclear.any():
            return
        unclear &= ~_goes_on(cost[away[:, 0] == 0], possible[away[:, 0] == 0])
        tracks, columns = np.flatnonzero(unclear.any(1)), np.flatnonzero(unclear.any(0))
        if not len(tracks):
            return
        known = [self._open[t].best_pose for t in tracks]
        seen = [Chip(frame, faces, c, 0.0) for c in columns.tolist()]
        embedded([*known, *seen], self._embed)
        for t, reference in zip(tracks, known, strict=True):
            for column, candidate in zip(columns, seen, strict=True):
                if not unclear[t, column]:
                    continue
                assert reference.embedding is not None and candidate.embedding is not None
                alike = float(reference.embedding @ candidate.embedding)
                cost[t, column] += APPEARANCE_WEIGHT * (1.0 - alike)
                if alike < SOMEONE_ELSE:
                    cost[t, column] = NEVER

    def _close_lost(self, now: int) -> list[Track]:
        lost = now - self._motion.frames > self.settings.max_gap
        return self._end(lost) if lost.any() else []

    def _end(self, which: NDArray[np.bool_]) -> list[Track]:
        ended = [t for t, ends in zip(self._open, which, strict=True) if ends]
        self._open = [t for t, ends in zip(self._open, which, strict=True) if not ends]
        self._motion.keep(~which)
        for track in ended:
            track.end()
        return ended

    def _remember_time(self, frame: Frame) -> None:
        self._times_s[frame.index] = frame.time_s
        self._times_s.pop(frame.index - self.settings.max_gap - 2, None)


def cheapest(cost: NDArray[np.float64]) -> Pairs:
    """The pairs whose costs add up to the least; none that costs ``NEVER``."""
    tracks, columns = linear_sum_assignment(cost)
    may = cost[tracks, columns] < NEVER / 2
    return tracks[may], columns[may]


def only_pairs(possible: NDArray[np.bool_]) -> Pairs | None:
    """The possible pairs, if no track and no face is in two of them: they are the cheapest then."""
    tracks, columns = possible.nonzero()
    alone = len(set(tracks.tolist())) == len(set(columns.tolist())) == len(tracks)
    return (tracks, columns) if alone else None


def _goes_on(cost: NDArray[np.float64], possible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Faces that surely continue one of these tracks, all seen in the frame before: a track that
    is lost does not take them, so there is no need to look who they are."""
    if not len(cost):
        return np.zeros(cost.shape[1], bool)
    best = possible & (cost == cost.min(axis=0)) & (cost <= 1 - SAME_PLACE)
    return np.asarray((best & ~_rivals(cost, possible)).any(axis=0))


def _rivals(cost: NDArray[np.float64], possible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pairs of a track or a face that has another possible pair nearly as cheap as its best."""
    near_row = possible & (cost < cost.min(axis=1, keepdims=True) + CLEARLY_BETTER)
    near_column = possible & (cost < cost.min(axis=0, keepdims=True) + CLEARLY_BETTER)
    contested_row = near_row & (near_row.sum(axis=1, keepdims=True) > 1)
    contested_column = near_column & (near_column.sum(axis=0, keepdims=True) > 1)
    return np.asarray(contested_row | contested_column)
