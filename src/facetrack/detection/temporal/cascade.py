"""Fills intervals with a detector that redetects: steps 3 to 7 of ``frame_detectors``."""

from collections.abc import Sequence

import numpy as np

from facetrack.core.boxes import iou_matrix, nms_of_smaller
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import SOURCE, Faces
from facetrack.detection.detector import SURE, RedetectingDetector
from facetrack.detection.mtcnn.cascade import FACE_NMS
from facetrack.detection.temporal.between import FaceInterval, fill_between
from facetrack.detection.temporal.follow import FollowedFace, followed, from_both_ends
from facetrack.detection.temporal.key_frame_interval import (
    SAME_FACE,
    KeyFrameInterval,
    Pair,
    same_faces,
)
from facetrack.detection.temporal.redetect import Observation, Redetector, observations
from facetrack.media.frame_image import Frame, FrameImage

SHORTEST = 8
"""Number of frames from key frame to key frame up to which no further key frame is added."""


class TemporalCascade:
    """Implements ``IntervalFiller``."""

    def __init__(self, detector: RedetectingDetector, settings: DetectionSettings) -> None:
        self._detector = detector
        self._redetector = Redetector(detector, settings.onet_threshold)
        self.key_frames = 0

    @property
    def redetections(self) -> int:
        return self._redetector.redetections

    def search(self, frames: Sequence[Frame]) -> list[Faces]:
        """The whole detector on each frame."""
        self.key_frames += len(frames)
        return list(self._detector.detect([f.image for f in frames]))

    def carried_over(
        self, neighbour: Faces, frames_between: int, frame: Frame, faces: Faces
    ) -> Faces:
        """Adds the faces of the neighbour that the search missed and O-Net surely sees."""
        matched = {pair.first for pair in same_faces(neighbour, faces, frames_between)}
        missing = [s for i, s in enumerate(observations(neighbour)) if i not in matched]
        found = self._redetector.run_once([frame.image] * len(missing), missing)
        added = [s for s in found if s.score >= SURE and _is_new(s, faces)]
        return _without_duplicates([*observations(faces), *added]) if added else faces

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each interval, the faces of all its frames but the first."""
        parts = self._bisected([[s] for s in intervals])
        inner = iter(self._between([part for of_interval in parts for part in of_interval]))
        filled = []
        for interval, of_interval in zip(intervals, parts, strict=True):
            faces = [f for part in of_interval for f in (*next(inner), part.last)]
            filled.append(faces[: len(interval.frames) - 1])
        return filled

    def _bisected(self, parts: list[list[KeyFrameInterval]]) -> list[list[KeyFrameInterval]]:
        """Adds a key frame in the middle of parts whose ends disagree, until they are short."""
        new = [p for of in parts for p in of]
        while True:
            wide = [p for p in new if len(p.frames) > SHORTEST + 1 and not p.agrees]
            if not wide:
                return parts
            found = self.search([p.frames[p.middle] for p in wide])
            halves = {id(p): self._halves(p, faces) for p, faces in zip(wide, found, strict=True)}
            parts = [[h for p in of for h in halves.get(id(p), [p])] for of in parts]
            new = [h for both in halves.values() for h in both]

    def _halves(self, part: KeyFrameInterval, of_middle: Faces) -> list[KeyFrameInterval]:
        middle, after = part.frames[part.middle], len(part.frames) - 1 - part.middle
        of_middle = self.carried_over(part.first, part.middle, middle, of_middle)
        return part.halves(self.carried_over(part.last, after, middle, of_middle))

    def _between(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each interval, the faces of the frames between its ends."""

        def image(interval: int, at: int) -> FrameImage:
            return intervals[interval].frames[at].image

        paired = [
            _face_interval(s, part, pair) for s, part in enumerate(intervals) for pair in part.pairs
        ]
        between, lost = fill_between(self._redetector, image, paired)
        unpaired = [f for s, interval in enumerate(intervals) for f in _unpaired(s, interval)]
        unpaired += [face for of_face in lost for face in from_both_ends(of_face)]
        found: list[list[list[Observation]]] = [[[] for _ in s.frames[1:-1]] for s in intervals]
        for s, at, face in (*between, *followed(self._redetector, image, unpaired)):
            found[s][at - 1].append(face)
        return [[_without_duplicates(of_frame) for of_frame in of] for of in found]


def _face_interval(s: int, interval: KeyFrameInterval, pair: Pair) -> FaceInterval:
    first, last = observations(interval.first)[pair.first], observations(interval.last)[pair.last]
    return FaceInterval(s, 0, len(interval.frames) - 1, first, last)


def _unpaired(s: int, interval: KeyFrameInterval) -> list[FollowedFace]:
    """The faces that only one end shows."""
    of_first, of_last = {p.first for p in interval.pairs}, {p.last for p in interval.pairs}
    first, last = observations(interval.first), observations(interval.last)
    end = len(interval.frames) - 1
    return [
        *(FollowedFace(s, face, 0, end, 1) for a, face in enumerate(first) if a not in of_first),
        *(FollowedFace(s, face, end, 0, -1) for b, face in enumerate(last) if b not in of_last),
    ]


def _is_new(face: Observation, faces: Faces) -> bool:
    return not len(faces) or bool(iou_matrix(face.box[None], faces.boxes).max() < SAME_FACE)


def _without_duplicates(found: list[Observation]) -> Faces:
    """The faces of a frame; of several observations of one face, the one with the best score."""
    if not found:
        return Faces.none()
    boxes, scores, landmarks, anchors, sources = zip(*found, strict=True)
    faces = Faces(
        np.stack(boxes),
        np.array(scores, np.float32),
        np.stack(landmarks),
        np.stack(anchors),
        np.array(sources, SOURCE),
    )
    if len(faces) == 1:
        return faces
    return faces.pick(nms_of_smaller(faces.boxes, faces.scores, FACE_NMS))
