"""A face of a track that is kept until its embedding is needed."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Faces, Float32
from facetrack.media.face_cut import FaceCut
from facetrack.media.frame_image import Frame, FrameImage
from facetrack.recognition.crops import cut_faces, visible_share
from facetrack.recognition.quality import (
    crop_quality,
    frontality,
    normalised_light,
    sharpness,
)

NO_TURN = (0.0, 0.5)


class FaceCrop:
    """One face of one frame: first its place, then a cut, then pixels and an embedding.

    Each step is done only when it is needed: most crops are replaced by better ones before.
    """

    def __init__(self, frame: Frame, faces: Faces, i: int, pose: float) -> None:
        """The face at position ``i`` of ``faces``; ``pose``: its ``quality.pose_quality``."""
        self.frame = frame.index
        self.pose = pose
        self.box: Float32 = faces.boxes[i]
        self.landmarks: Float32 = faces.landmarks[i]
        self.embedding: Float32 | None = None
        self._sharpness: float | None = None
        if faces.recognised is not None:
            self.embedding = faces.recognised.embeddings[i]
            self._sharpness = float(faces.recognised.sharpness[i])
        self.turn: Sequence[float] = NO_TURN
        """Two numbers: how far the head is turned, as ``quality.head_turns``; until it is set, as
        of a head that looks at the camera."""
        self._shape, self._pixel_aspect = frame.image.shape, frame.image.pixel_aspect
        self.source: FrameImage | None = frame.image
        """The frame, until the face is cut out of it; then None."""
        self.cut: FaceCut | None = None

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8]:
        """``(160, 160, 3)`` uint8 RGB: the box with a margin."""
        cut_out([self])
        assert self.cut is not None
        return self.cut.box_crop()

    @cached_property
    def aligned(self) -> NDArray[np.uint8]:
        """``(112, 112, 3)`` uint8 RGB: turned and scaled so that the landmarks lie on the ArcFace
        template."""
        cut_out([self])
        assert self.cut is not None
        return self.cut.aligned_crop()

    def pixels(self, aligned: bool) -> NDArray[np.uint8]:
        """The crop for an embedder, uint8 RGB; a dark one is brightened."""
        return normalised_light(self.aligned if aligned else self.thumbnail)

    @cached_property
    def visible(self) -> float:
        """Share of the aligned crop that lies inside the frame, 0 to 1."""
        height, width = self._shape
        x1, y1, x2, y2 = self.box.tolist()
        far = max(x2 - x1, y2 - y1)  # an aligned crop reaches at most so far beyond its box
        if min(x1, y1) >= far and x2 + far <= width and y2 + far <= height:
            return 1.0
        return visible_share(self.box, self.landmarks, self._shape, self._pixel_aspect)

    @property
    def height_px(self) -> float:
        """Height of the face's box in pixels."""
        return float(self.box[3] - self.box[1])

    @property
    def frontality(self) -> float:
        """1 when the face looks at the camera, 0 in full profile."""
        return float(frontality(self.landmarks[None])[0])

    @property
    def sharpness(self) -> float:
        """0 to 1, as ``quality.sharpness``."""
        if self._sharpness is None:
            self._sharpness = sharpness(self.thumbnail)
        return self._sharpness

    @property
    def quality(self) -> float:
        """0 to 1: ``quality.crop_quality`` times the square of the visible share."""
        return crop_quality(self.pose, self.sharpness) * self.visible**2


def cut_out(crops: Sequence[FaceCrop]) -> None:
    """Cuts the faces out of their frames and drops the frames; crops that were cut are skipped."""
    waiting = [(crop, crop.source) for crop in crops if crop.source is not None]
    if not waiting:
        return
    cuts = cut_faces(
        [source for _, source in waiting],
        np.stack([crop.box for crop, _ in waiting]),
        np.stack([crop.landmarks for crop, _ in waiting]),
    )
    for (crop, _), cut in zip(waiting, cuts, strict=True):
        crop.cut, crop.source = cut, None


def prepare(crops: Sequence[FaceCrop]) -> None:
    """Makes the pixels of the crops together; they are about to be asked for."""
    cut_out(crops)
    cuts = [crop.cut for crop in crops if crop.cut is not None]
    if cuts:
        cuts[0].prepare_with(cuts[1:])
