"""Joins the tracklets of successive chunks to tracks.

Two chunks share a frame. A tracklet that has a face there goes on with the tracklet of the next
chunk that begins with the same face. A face that was lost just before the edge is found again as
the tracker does inside a chunk: by its predicted place, and by its appearance where that is not
enough.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Float32
from facetrack.pipeline.chunk_result import ChunkResult
from facetrack.pipeline.tracklet import Tracklet
from facetrack.tracking.association import SAME_PLACE, Positions, associate, costs, mutual_best
from facetrack.tracking.motion import Motion

ROWS_OF_MOTION = 8
"""Detected rows from which the velocity at the end of a tracklet is taken; older ones hardly
count."""


class Stitcher:
    """Takes the results of chunks in order; gives the tracks that end."""

    def __init__(self, tracking: TrackingSettings, max_crops: int) -> None:
        """
        Args:
            tracking: ``max_gap`` and ``min_iou`` are used.
            max_crops: most embedded faces that a track keeps.
        """
        self._tracking = tracking
        self._max_crops = max_crops
        self._open: list[Tracklet] = []
        """Tracks that may go on in the next chunk."""
        self._next_id = 1
        self._times_s: dict[int, float] = {}
        """Presentation times of the frames that a gap may reach over."""
        self.splits: list[tuple[Tracklet, Tracklet]] = []
        """Tracks that were split: the part before the change, and the one after it, whose id is
        negative."""

    def add(self, result: ChunkResult) -> list[Tracklet]:
        """The tracks that no later chunk goes on with, in the order in which they ended.

        Tracks get ids from 1 on in the order of their beginnings.
        """
        frames = result.frames
        self._times_s |= dict(enumerate(frames.times_s, start=frames.first_frame))
        before = self._continued(result)
        ended = [track for track in self._open if track not in before.values()]
        of_chunk = [(one.id, one) for one in result.tracklets]
        tracks = {local: before.get(local, one) for local, one in of_chunk}
        for local, one in sorted(of_chunk, key=lambda of: of[0]):
            if local > 0 and local not in before:
                one.id, self._next_id = self._next_id, self._next_id + 1
        for local, one in sorted(of_chunk, key=lambda of: -of[0]):
            if local in before:
                before[local].join(one, self._times_s, self._max_crops)
            elif one.split_from is not None:
                self.splits.append((tracks[one.split_from], one))
                one.id = -len(self.splits)
        self._open = [track for track in tracks.values() if track.open_after]
        ended += [tracks[local] for local, _ in of_chunk if not tracks[local].open_after]
        for past in list(self._times_s)[: max(0, len(self._times_s) - 2 * self._tracking.max_gap)]:
            del self._times_s[past]
        return ended

    def finish(self) -> list[Tracklet]:
        """The tracks that are still open: no chunk follows."""
        ended, self._open = self._open, []
        return ended

    def _continued(self, result: ChunkResult) -> dict[int, Tracklet]:
        """For tracklets of a chunk, by their ids, the open track that goes on in each."""
        edge, found = result.frames.first_frame, {}
        begun = [one for one in result.tracklets if one.open_before]
        begun.sort(key=lambda one: (one.first_frame, one.id))
        here = [one for one in begun if one.first_frame == edge]
        shared = [track for track in self._open if track.last_frame == edge]
        if here and shared:
            same = mutual_best(iou_matrix(_boxes(shared, -1), _boxes(here, 0)), SAME_PLACE)
            found = {
                one.id: shared[i] for one, i in zip(here, same.tolist(), strict=True) if i >= 0
            }
        for frame in sorted({one.first_frame for one in begun}):
            faces = [one for one in begun if one.first_frame == frame and one.id not in found]
            lost = [
                track
                for track in self._open
                if track not in found.values() and self._may_go_on(track, frame, result)
            ]
            if faces and lost:
                of_lost = self._associated(lost, faces, frame)
                found |= {faces[j].id: lost[i] for i, j in of_lost}
        return found

    def _may_go_on(self, track: Tracklet, frame: int, result: ChunkResult) -> bool:
        """Whether a track that was lost may be found again in a frame: it is not lost for too long,
        and no cut lies between."""
        last = track.last_frame
        cut = any(last < start <= frame for start in result.frames.shot_starts)
        return not cut and 0 <= frame - 1 - last <= self._tracking.max_gap

    def _associated(
        self, tracks: Sequence[Tracklet], faces: Sequence[Tracklet], frame: int
    ) -> Iterable[tuple[int, int]]:
        """Positions of lost tracks, and of the tracklet that goes on with each."""
        motion = _motion_of(tracks)
        iou = iou_matrix(motion.predicted(frame), _boxes(faces, 0))
        possible = iou >= self._tracking.min_iou

        def embeddings(some: Positions, others: Positions) -> tuple[list[Float32], list[Float32]]:
            return (
                [tracks[i].best_pose.embedding for i in some.tolist()],
                [faces[j].best_pose.embedding for j in others.tolist()],
            )

        cost, lost = costs(iou, possible), motion.frames_lost(frame)
        of_tracks, of_faces = associate(cost, possible, lost, embeddings)
        return zip(of_tracks.tolist(), of_faces.tolist(), strict=True)


def _boxes(tracks: Sequence[Tracklet], row: int) -> Float32:
    """``(n, 4)`` boxes in one row of each."""
    return np.stack([track.rows["box"][row] for track in tracks])


def _motion_of(tracks: Sequence[Tracklet]) -> Motion:
    """How the tracks moved when they were seen last."""
    motion = Motion.none()
    for i, track in enumerate(tracks):
        rows = track.rows[track.detected][-ROWS_OF_MOTION:]
        motion.add(int(rows["frame"][0]), rows["box"][:1])
        for row in rows[1:]:
            motion.correct(int(row["frame"]), np.array([i]), row["box"][None])
    return motion
