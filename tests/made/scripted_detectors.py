"""Detectors that know which faces each frame shows, and note what they are asked."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from facetrack.core.boxes import Indices, iou_matrix
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32
from facetrack.detection.temporal.redetect import Observation
from facetrack.media.frame_image import Frame, FrameImage, RgbImage

SIZE = 40.0
SETTINGS = DetectionSettings(detector="mtcnn")


class NumberedImage(RgbImage):
    """A frame that says which one it is."""

    def __init__(self, number: int) -> None:
        super().__init__(np.zeros((8, 8, 3), np.uint8))
        self.number = number


def frames(count: int) -> list[Frame]:
    return [Frame(i, i / 25, NumberedImage(i)) for i in range(count)]


def box(x: float, y: float = 100.0, size: float = SIZE) -> Float32:
    return np.array([x, y, x + size, y + size], np.float32)


def shifted(iou: float) -> float:
    """How far a box of ``SIZE`` is moved sideways to overlap its old place by so much."""
    return SIZE * (1 - iou) / (1 + iou)


def face(x: float, score: float = 0.99, y: float = 100.0, size: float = SIZE) -> Observation:
    return Observation(box(x, y, size), score, np.zeros((5, 2), np.float32), box(x, y, size), "")


def faces(*observations: Observation) -> Faces:
    if not observations:
        return Faces.none()
    boxes = np.stack([o.box for o in observations])
    scores = np.array([o.score for o in observations], np.float32)
    landmarks = np.zeros((len(boxes), 5, 2), np.float32)
    return Faces.of_one_source(boxes, scores, landmarks, boxes, "detected")


class Scripted:
    """A detector that searches: ``shown`` says which faces each frame shows."""

    name = "scripted"
    smallest_batch = 1
    frames_ahead = 1

    def __init__(self, shown: Callable[[int], Sequence[Observation]] = lambda _: ()) -> None:
        self.shown = shown
        self.searches: list[list[int]] = []
        """The frames of each call."""

    @property
    def searched(self) -> list[int]:
        return sorted(number for call in self.searches for number in call)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        numbers = [image.number for image in images]
        self.searches.append(numbers)
        return iter([faces(*self.shown(number)) for number in numbers])


class ScriptedRedetector(Scripted):
    """A detector that redetects too.

    It sees the face that the anchor overlaps most, if by ``reach``, with the face's score; else it
    gives the anchor back with score 0.
    """

    def __init__(
        self, shown: Callable[[int], Sequence[Observation]] = lambda _: (), reach: float = 0.5
    ) -> None:
        super().__init__(shown)
        self.reach = reach
        self.asked: list[tuple[int, Float32]] = []
        """Frame and anchor of each redetection."""

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        boxes, scores = anchors.copy(), np.zeros(len(anchors), np.float32)
        for i, (at, anchor) in enumerate(zip(of_image, anchors, strict=True)):
            number = images[at].number
            self.asked.append((number, anchor))
            iou = {k: iou_matrix(one.box[None], anchor[None])[0, 0]
                   for k, one in enumerate(self.shown(number))}  # fmt: skip
            best = max(iou, key=iou.__getitem__, default=None)
            if best is not None and iou[best] >= self.reach:
                boxes[i], scores[i] = self.shown(number)[best].box, self.shown(number)[best].score
        landmarks = np.zeros((len(anchors), 5, 2), np.float32)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @property
    def asked_frames(self) -> list[int]:
        return sorted({number for number, _ in self.asked})
