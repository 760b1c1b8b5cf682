"""The faces of the frames of one call, as arrays.

What depends on each face alone, or on it and the frame before, is computed for all faces at once.
Trackers refer to a face by its number in the batch.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.detection.detector import FrameDetections
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.quality import head_turns, pose_quality
from facetrack.tracking.association import mutual_best
from facetrack.tracking.local_changes import LocalChanges
from facetrack.tracking.rows import rows_of


class DetectionBatch:
    """``n`` faces in ``f`` frames; both are numbered from 0, faces in the order of the frames."""

    def __init__(
        self,
        detections: Sequence[FrameDetections],
        min_iou: float,
        changes: LocalChanges | None = None,
    ) -> None:
        """
        Args:
            detections: the frames, one or more.
            min_iou: least overlap of a face with one of the frame before, for ``previous``.
            changes: detector of sudden changes, already given all earlier frames; None: not used.
        """
        self.detections = detections
        counts = np.array([len(one.faces) for one in detections], np.int64)
        self.starts = [0, *counts.cumsum().tolist()]
        """Number of the first face of each frame, and at the end ``n``."""
        self.index = np.array([one.frame.index for one in detections], np.int64)
        """``(f,)`` indices of the frames in the source."""
        self.rows = rows_of(detections)
        """``(n,)`` ``ROW``."""
        self.boxes = np.ascontiguousarray(self.rows["box"])
        """``(n, 4)`` x1 y1 x2 y2 in pixels."""
        self.poses: list[float] = pose_quality(
            self.boxes, self.rows["landmarks"], self.rows["score"]
        ).tolist()
        """As ``quality.pose_quality``."""
        self.turns: list[list[float]] = head_turns(self.rows["landmarks"]).tolist()
        """Two numbers for each face, as ``quality.head_turns``."""
        self.frames: list[int] = self.rows["frame"].tolist()
        """Index of each face's frame in the source."""
        self.real = np.arange(counts.max(initial=1)) < counts[:, None]
        """``(f, m)`` True where there is a face; ``m``: largest number of faces of a frame."""
        self.at, self.place = self.real.nonzero()
        """``(n,)`` position of each face's frame, and of the face among those of its frame."""
        self.by_frame = np.zeros((*self.real.shape, 4), np.float32)
        """``(f, m, 4)`` the boxes; 0 where there is no face, which overlaps nothing."""
        self.by_frame[self.real] = self.boxes
        iou = iou_matrix(self.by_frame[:-1], self.by_frame[1:])
        previous = [[], *mutual_best(iou, min_iou).tolist()]
        self.previous = [of[:count] for of, count in zip(previous, counts.tolist(), strict=False)]
        """For each frame, the position of each of its faces in the frame before, or -1."""
        self.stands_out = [False] * len(self.boxes)
        """Whether the place of each face suddenly looks different, as ``LocalChanges``."""
        if changes is not None:
            self.stands_out = changes.stand_out(detections, self.boxes, self.at).tolist()

    def crop(self, face: int) -> FaceCrop:
        """A face to be kept for its embedding."""
        at = bisect_right(self.starts, face) - 1
        frame, _, faces = self.detections[at]
        crop = FaceCrop(frame, faces, face - self.starts[at], self.poses[face])
        crop.turn = self.turns[face]
        return crop
