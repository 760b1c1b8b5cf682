"""Landmarks that are good enough to align a face by, where the detector's are not.

YuNet looks at a frame that was made smaller, and its landmarks are as coarse as what it saw. By
them SFace finds 83.9 % of the pairs of one person at one false join in a thousand where faces are
48 pixels high; by those of one pass of O-Net over the same boxes 93.8 % (docs/identity.md). So the
few faces of a track that are embedded are looked at once more.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from facetrack.core.boxes import squared
from facetrack.core.types import Float32
from facetrack.detection.temporal.redetect import Redetects
from facetrack.media.frame_image import FrameImage

IS_FACE = 0.7
"""O-Net's score from which its landmarks are taken: below it, it sees no face there."""


class Aligner(Protocol):
    """Places the landmarks of faces that a detector found. Threads may call side by side."""

    def landmarks(
        self, images: Sequence[FrameImage], boxes: Float32, landmarks: Float32
    ) -> Float32:
        """``(n, 5, 2)`` x y in pixels, at least as good as those that are given.

        Args:
            frames: the frame of each face.
            boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
            landmarks: ``(n, 5, 2)`` as the detector placed them.
        """
        ...


class OnetAligner:
    """Implements ``Aligner`` by MTCNN's last network."""

    def __init__(self, redetector: Redetects) -> None:
        self._redetector = redetector

    def landmarks(
        self, images: Sequence[FrameImage], boxes: Float32, landmarks: Float32
    ) -> Float32:
        placed = landmarks.copy()
        shapes = [image.shape for image in images]
        for shape in dict.fromkeys(shapes):
            mine = np.array([i for i, other in enumerate(shapes) if other == shape])
            frames = [images[i] for i in mine.tolist()]
            seen = self._redetector.refine(frames, np.arange(len(mine)), squared(boxes[mine]))
            sure = seen.scores >= IS_FACE
            placed[mine[sure]] = seen.landmarks[sure]
        return placed
