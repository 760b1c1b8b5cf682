"""Joins the faces of successive frames into tracks: overlap first, appearance where it is unclear.

Tracks never cross a shot boundary. The assignment is the cheapest one over all pairs (SciPy's
Hungarian solver), not the greedy one, so crossing people do not swap.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetrack.detection.boxes import iou_matrix
from facetrack.media.picture import Frame
from facetrack.recognition.chips import face_chip, face_cut
from facetrack.settings import TrackingSettings
from facetrack.tracking.tracks import Track, TrackedFace
from facetrack.types import Faces, Float32

Embed = Callable[[NDArray[np.uint8]], Float32]
"""``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` of length one."""

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


class Tracker:
    """Feed frames in order with ``update``; closed tracks come back as they end.

    Memory: the open tracks' chips, and one presentation time for each frame of the longest gap.
    """

    def __init__(self, settings: TrackingSettings, max_chips: int, embed: Embed) -> None:
        self.settings = settings
        self._max_chips = max_chips
        self._embed = embed
        self._open: list[Track] = []
        self._next_id = 1
        self._times_s: dict[int, float] = {}

    @property
    def started(self) -> int:
        """Tracks begun so far."""
        return self._next_id - 1

    def update(self, frame: Frame, faces: Faces, new_shot: bool) -> list[Track]:
        """Takes the faces of the next frame; returns the tracks that ended before it."""
        ended = self.finish() if new_shot else []
        self._remember_time(frame)
        pairs = self._associate(frame, faces)
        for track, i in pairs:
            self._extend(track, frame, faces, i)
        matched = {i for _, i in pairs}
        for i in range(len(faces)):
            if i not in matched:
                self._begin(frame, faces, i)
        return ended + self._close_lost(frame.index)

    def finish(self) -> list[Track]:
        """Ends all tracks: at a cut and at the end of the video."""
        ended, self._open = self._open, []
        return ended

    def _associate(self, frame: Frame, faces: Faces) -> list[tuple[Track, int]]:
        if not self._open or not len(faces):
            return []
        predicted = np.stack([t.predicted_box(frame.index) for t in self._open])
        iou = iou_matrix(predicted, faces.boxes)
        possible = iou >= self.settings.min_iou
        cost = np.where(possible, 1.0 - iou, NEVER)
        self._weigh_appearance(frame, faces, possible, cost)
        rows, columns = linear_sum_assignment(cost)
        return [
            (self._open[r], int(c))
            for r, c in zip(rows, columns, strict=True)
            if cost[r, c] < NEVER / 2
        ]

    def _weigh_appearance(
        self, frame: Frame, faces: Faces, possible: NDArray[np.bool_], cost: NDArray[np.float64]
    ) -> None:
        """Adds appearance to the cost of pairs that overlap alone does not settle."""
        away = np.array([frame.index - 1 - t.last_frame for t in self._open])
        elsewhere = (away[:, None] > 0) & (cost > 1 - SAME_PLACE)
        rivals = _rivals(cost, possible)
        unclear = possible & (rivals | elsewhere | (away[:, None] > SHORTLY))
        unclear &= ~_goes_on(cost[away == 0], possible[away == 0])
        if not unclear.any():
            return
        tracks, columns = np.flatnonzero(unclear.any(1)), np.flatnonzero(unclear.any(0))
        stale = [self._open[t] for t in tracks if self._open[t].reference is None]
        pixels = [t.best_pose.pixels for t in stale]
        pixels += [face_chip(face_cut(frame.picture, faces.boxes[c])) for c in columns]
        embedded = self._embed(np.stack(pixels))
        for track, reference in zip(stale, embedded, strict=False):
            track.reference = reference
        candidates = embedded[len(stale) :]
        for t in tracks:
            reference = self._open[t].reference
            assert reference is not None
            for column, candidate in zip(columns, candidates, strict=True):
                if not unclear[t, column]:
                    continue
                alike = float(reference @ candidate)
                cost[t, column] += APPEARANCE_WEIGHT * (1.0 - alike)
                if alike < SOMEONE_ELSE:
                    cost[t, column] = NEVER

    def _extend(self, track: Track, frame: Frame, faces: Faces, i: int) -> None:
        here = _tracked(frame, faces, i)
        track.faces.extend(track.bridge(self._times_s, here))
        track.add(frame, here)

    def _begin(self, frame: Frame, faces: Faces, i: int) -> None:
        track = Track(self._next_id, self._max_chips)
        self._next_id += 1
        track.add(frame, _tracked(frame, faces, i))
        self._open.append(track)

    def _close_lost(self, now: int) -> list[Track]:
        lost = [t for t in self._open if now - t.last_frame > self.settings.max_gap]
        self._open = [t for t in self._open if now - t.last_frame <= self.settings.max_gap]
        return lost

    def _remember_time(self, frame: Frame) -> None:
        self._times_s[frame.index] = frame.time_s
        self._times_s.pop(frame.index - self.settings.max_gap - 2, None)


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


def _tracked(frame: Frame, faces: Faces, i: int) -> TrackedFace:
    return TrackedFace(
        frame.index,
        frame.time_s,
        faces.boxes[i],
        faces.landmarks[i],
        float(faces.scores[i]),
        str(faces.sources[i]),
    )
