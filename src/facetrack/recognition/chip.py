"""A face that is kept for the recogniser."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facetrack.media.picture import Cut, Frame, Picture
from facetrack.recognition.chips import chip_quality, face_chip, face_cuts, sharpness
from facetrack.types import Faces, Float32

Embed = Callable[[NDArray[np.uint8]], Float32]
"""``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` of length one."""


class Chip:
    """A place in a picture, then a cut, at last pixels and an embedding.

    Each step is made when it is needed, for most chips give way to better ones.
    """

    def __init__(self, frame: Frame, faces: Faces, i: int, pose: float) -> None:
        """The face at position ``i``; ``pose``: as ``chips.pose_quality`` judges it."""
        self.frame = frame.index
        self.pose = pose
        self.embedding: Float32 | None = None
        self._sharpness: float | None = None
        if faces.recognised is not None:
            self.embedding = faces.recognised.embeddings[i]
            self._sharpness = float(faces.recognised.sharpness[i])
        self.place: tuple[Picture, Float32] | None = (frame.picture, faces.boxes[i])
        """Until it is cut out."""
        self.cut: Cut | None = None

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """``(160, 160, 3)`` uint8 RGB."""
        let_pictures_go([self])
        assert self.cut is not None
        return face_chip(self.cut)

    @cached_property
    def quality(self) -> float:
        """0 to 1, as ``chips.chip_quality``."""
        if self._sharpness is None:
            self._sharpness = sharpness(self.pixels)
        return chip_quality(self.pose, self._sharpness)


def let_pictures_go(chips: Iterable[Chip]) -> None:
    """What is wanted of the pictures is cut out; nothing is done a second time."""
    placed = [(chip, chip.place) for chip in chips if chip.place is not None]
    if not placed:
        return
    pictures, boxes = zip(*(place for _, place in placed), strict=True)
    for (chip, _), cut in zip(placed, face_cuts(pictures, np.stack(boxes)), strict=True):
        chip.cut, chip.place = cut, None


def embedded(chips: Sequence[Chip], embed: Embed) -> int:
    """Sees to it that each has its embedding, all that are missing by one call; how many were."""
    missing = [chip for chip in chips if chip.embedding is None]
    if missing:
        vectors = embed(np.stack([chip.pixels for chip in missing]))
        for chip, vector in zip(missing, vectors, strict=True):
            chip.embedding = vector
    return len(missing)
