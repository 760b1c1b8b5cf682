"""Landmarks for aligning a face, where those of the detector are too coarse.

YuNet works on a frame that was scaled down, so its landmarks are coarse. With them SFace finds
83.9 % of the pairs of one person at a false match rate of one in a thousand, for faces that are 48
pixels high; with the landmarks of one O-Net pass over the same boxes it finds 93.8 %
(docs/identity.md). So O-Net places the landmarks of the few faces of a track that are embedded.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from facetrack.core.boxes import squared
from facetrack.core.types import Float32
from facetrack.detection.detector import Redetects
from facetrack.media.frame_image import FrameImage

IS_FACE = 0.7
"""O-Net's score from which its landmarks are used. Below it, O-Net sees no face."""


class Aligner(Protocol):
    """Places the landmarks of detected faces. Several threads may call it at once.

    ``tests/contract/test_aligner.py`` holds what every implementation must do.
    """

    def landmarks(
        self, images: Sequence[FrameImage], boxes: Float32, landmarks: Float32
    ) -> Float32:
        """``(n, 5, 2)`` x y in pixels, at least as good as the given ones.

        Args:
            images: the frame of each face; sizes may differ.
            boxes: ``(n, 4)`` x1 y1 x2 y2 in pixels.
            landmarks: ``(n, 5, 2)`` as the detector placed them.
        """
        ...


class OnetAligner:
    """Implements ``Aligner`` with MTCNN's O-Net."""

    def __init__(self, redetector: Redetects) -> None:
        self._redetector = redetector

    def landmarks(
        self, images: Sequence[FrameImage], boxes: Float32, landmarks: Float32
    ) -> Float32:
        placed = landmarks.copy()
        shapes = [image.shape for image in images]
        for shape in dict.fromkeys(shapes):
            rows = np.array([i for i, other in enumerate(shapes) if other == shape])
            frames = [images[i] for i in rows.tolist()]
            faces = self._redetector.redetect(frames, np.arange(len(rows)), squared(boxes[rows]))
            is_face = faces.scores >= IS_FACE
            placed[rows[is_face]] = faces.landmarks[is_face]
        return placed
