"""The faces that only one end of an interval shows, followed frame by frame until they are lost
(step 6 of ``frame_detectors``)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from facetrack.core.types import Float32
from facetrack.detection.detector import SURE
from facetrack.detection.temporal.between import FaceInterval, PlacedFace
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import FrameImage

PATIENCE = 1
"""Number of frames in a row in which a face may be missed; after one more it is lost."""
LEAP = 0.45
"""How far around its place to search for a face whose motion is unknown, in sizes of the face."""


@dataclass
class FollowedFace:
    """A face that is followed through an interval."""

    interval: int
    """Position of the interval in the batch."""
    face: Observation
    """As it was found last."""
    at: int
    """Position in the interval of the frame that was worked on last."""
    end: int
    """Position of the frame before which following ends in any case."""
    step: int
    """1: forward in time, -1: backward."""
    velocity: Float32 | None = None
    """``(4,)`` change of the box in one step, in pixels; None: not measured yet."""
    missed: int = field(default=0, init=False)
    """Number of frames in a row without the face."""

    @property
    def expected(self) -> Observation:
        """Where the face is in the next frame, at constant velocity."""
        if self.velocity is None:
            return self.face
        return self.face.moved(self.velocity * np.float32(1 + self.missed))

    def update(self, face: Observation) -> None:
        """The face was found; its velocity is the mean of the old and the new one."""
        step = (face.box - self.face.box) / np.float32(1 + self.missed)
        before = step if self.velocity is None else self.velocity
        self.velocity = np.float32(0.5) * (before + step)
        self.face, self.missed = face, 0


def from_both_ends(lost: FaceInterval) -> list[FollowedFace]:
    """Forward from the first observation and backward from the last one."""
    velocity = (lost.last.box - lost.first.box) / np.float32(lost.end - lost.start)
    return [
        FollowedFace(lost.interval, lost.first, lost.start, lost.end, 1, velocity),
        FollowedFace(lost.interval, lost.last, lost.end, lost.start, -1, -velocity),
    ]


def followed(
    redetector: Redetector, image: Callable[[int, int], FrameImage], faces: list[FollowedFace]
) -> Iterator[PlacedFace]:
    """Each face in each frame in which it is found.

    ``image``: gives the frame at a position of an interval.
    """
    while faces:
        for face in faces:
            face.at += face.step
        faces = [f for f in faces if f.at != f.end]
        images = [image(f.interval, f.at) for f in faces]
        redetected = redetector.redetected(images, [f.expected for f in faces])
        missed = [f for f, found in zip(faces, redetected, strict=True) if found is None]
        leapt = _leapt(redetector, image, missed)
        for face, found in zip(faces, redetected, strict=True):
            found = found or leapt.get(id(face))
            if found is None:
                face.missed += 1
            else:
                face.update(found)
                yield face.interval, face.at, found
        faces = [f for f in faces if f.missed <= PATIENCE]


def _leapt(
    redetector: Redetector, image: Callable[[int, int], FrameImage], missed: list[FollowedFace]
) -> dict[int, Observation]:
    """Faces with unknown motion, found farther from their place; by the ``id`` of the face."""
    missed = [f for f in missed if f.velocity is None]
    directions = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    places = []
    for face in missed:
        leap = LEAP * (face.face.box[2:] - face.face.box[:2])
        places += [face.face.moved(np.tile(leap * d, 2).astype(np.float32)) for d in directions]
    images = [image(f.interval, f.at) for f in missed for _ in directions]
    runs = redetector.run_once(images, places)
    found = {}
    for i, face in enumerate(missed):
        best = max(runs[i * len(directions) :][: len(directions)], key=lambda s: s.score)
        if best.score >= SURE:
            found[id(face)] = best
    return found
