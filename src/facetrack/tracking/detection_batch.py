"""The faces of frames that are tracked together.

What is a matter of each face alone, or of it and the frame before, is found for all of them at
once. The tracker speaks of a face by its number, which costs next to nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from facetrack.core.boxes import iou_matrices
from facetrack.detection.frame_detections import FrameDetections
from facetrack.recognition.face_crop import FaceCrop
from facetrack.recognition.quality import head_turns, pose_quality
from facetrack.tracking.association import mutual_best
from facetrack.tracking.local_changes import LocalChanges
from facetrack.tracking.rows import rows_of


class DetectionBatch:
    """Faces count from 0, frame by frame; frames count from 0 too."""

    def __init__(
        self, seen: Sequence[FrameDetections], min_iou: float, changes: LocalChanges | None = None
    ) -> None:
        """``changes``: of the frames before; None: nothing is known of what stands out."""
        self.detections = seen
        counts = np.array([len(one.faces) for one in seen], np.int64)
        self.starts = [0, *counts.cumsum().tolist()]
        """The first face of each frame, and how many there are in all."""
        self.index = np.array([one.frame.index for one in seen], np.int64)
        """``(f,)`` of the frames, in the source."""
        self.rows = rows_of(seen)
        """``(n,)`` ``ROW``."""
        self.boxes = np.ascontiguousarray(self.rows["box"])
        self.poses: list[float] = pose_quality(
            self.boxes, self.rows["landmarks"], self.rows["score"]
        ).tolist()
        self.turns: list[list[float]] = head_turns(self.rows["landmarks"]).tolist()
        """Two numbers each, as ``quality.head_turns``."""
        self.frames: list[int] = self.rows["frame"].tolist()
        self.real = np.arange(counts.max(initial=1)) < counts[:, None]
        """``(f, m)`` which are faces, where each frame has room for as many as the fullest one."""
        self.at, self.place = self.real.nonzero()
        """``(n,)`` each face's frame, and its position among the faces of its frame."""
        self.by_frame = np.zeros((*self.real.shape, 4), np.float32)
        """``(f, m, 4)`` boxes; nothing overlaps where there is no face."""
        self.by_frame[self.real] = self.boxes
        iou = iou_matrices(self.by_frame[:-1], self.by_frame[1:])
        before = [[], *mutual_best(iou, min_iou).tolist()]
        self.before = [of[:count] for of, count in zip(before, counts.tolist(), strict=False)]
        """For each frame the position of each face in the frame before, -1 where there is none."""
        self.stands_out = [False] * len(self.boxes)
        """Whether the place of each face suddenly looks different."""
        if changes is not None:
            self.stands_out = changes.stand_out(seen, self.boxes, self.at).tolist()

    def crop(self, face: int) -> FaceCrop:
        """For the recogniser."""
        of = bisect_right(self.starts, face) - 1
        frame, _, faces = self.detections[of]
        crop = FaceCrop(frame, faces, face - self.starts[of], self.poses[face])
        crop.turn = self.turns[face]
        return crop
