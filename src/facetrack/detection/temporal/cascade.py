"""The temporal cascade: the whole cascade on key frames, a few looks on the frames between.

A stretch is a run of frames inside one shot that starts and ends with a key frame. A face that
P-Net sees in one key frame is looked for in the next one too. Where the ends of a stretch show
different faces all the same it is halved with another key frame until it is short. Faces that
both ends show are filled in between (``between``); a face that one end alone shows is followed from
there until R-Net or O-Net no longer sees it (``follow``): so it begins and ends on the frame where
it does, not on a key frame. What shows up and vanishes between two key frames that agree is not
seen.

The result of a stretch depends on its frames alone, never on how stretches were batched.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from facetrack.core.boxes import iou_matrix, nms_of_smaller
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import SOURCE, Faces
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.cascade import FACE_NMS, SURE
from facetrack.detection.temporal.between import FaceInterval, fill_between
from facetrack.detection.temporal.follow import Chain, followed, from_both_ends
from facetrack.detection.temporal.key_frame_interval import (
    SAME_FACE,
    KeyFrameInterval,
    Pair,
    same_faces,
)
from facetrack.detection.temporal.redetect import Observation, Redetector, Redetects, observations
from facetrack.media.frame_image import Frame, FrameImage

SHORTEST = 8
"""Frames from key frame to key frame at which halving ends."""


@runtime_checkable
class LooksAgain(Detector, Redetects, Protocol):
    """A detector that can look at squares where faces are expected."""


class TemporalCascade:
    """Finds the faces of whole stretches; counts what it did."""

    def __init__(self, detector: LooksAgain, settings: DetectionSettings) -> None:
        self._detector = detector
        self._redetector = Redetector(detector, settings.onet_threshold)
        self.key_frames = 0

    @property
    def looks(self) -> int:
        """Squares that O-Net has looked at outside of key frames."""
        return self._redetector.looks

    def key(self, frames: Sequence[Frame]) -> list[Faces]:
        """The whole cascade on each frame."""
        self.key_frames += len(frames)
        return list(self._detector.detect([f.image for f in frames]))

    def carried(self, beside: Faces, apart: int, frame: Frame, faces: Faces) -> Faces:
        """The faces of a key frame, and those of one ``apart`` frames away that O-Net surely
        sees there too."""
        matched = {pair.first for pair in same_faces(beside, faces, apart)}
        missing = [s for i, s in enumerate(observations(beside)) if i not in matched]
        looks = self._redetector.looked([frame.image] * len(missing), missing)
        seen = [s for s in looks if s.score >= SURE and _is_new(s, faces)]
        return _one_each([*observations(faces), *seen]) if seen else faces

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each stretch the faces of all its frames but the first."""
        parts = self._halved([[s] for s in intervals])
        flat = [part for of_interval in parts for part in of_interval]
        inner = iter(self._between(flat))
        return [
            [f for part in of_interval for f in (*next(inner), part.last)][
                : len(interval.frames) - 1
            ]
            for interval, of_interval in zip(intervals, parts, strict=True)
        ]

    def _halved(self, parts: list[list[KeyFrameInterval]]) -> list[list[KeyFrameInterval]]:
        """Puts key frames into the middle of parts whose ends disagree, until they are short."""
        new = [p for of in parts for p in of]
        while True:
            wide = [p for p in new if len(p.frames) > SHORTEST + 1 and not p.agrees]
            if not wide:
                return parts
            found = self.key([p.frames[p.middle] for p in wide])
            halves = {id(p): self._halves(p, faces) for p, faces in zip(wide, found, strict=True)}
            parts = [[h for p in of for h in halves.get(id(p), [p])] for of in parts]
            new = [h for both in halves.values() for h in both]

    def _halves(self, part: KeyFrameInterval, of_middle: Faces) -> list[KeyFrameInterval]:
        middle, after = part.frames[part.middle], len(part.frames) - 1 - part.middle
        of_middle = self.carried(part.first, part.middle, middle, of_middle)
        return part.halves(self.carried(part.last, after, middle, of_middle))

    def _between(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        def image(interval: int, at: int) -> FrameImage:
            return intervals[interval].frames[at].image

        spans = [_span(s, part, pair) for s, part in enumerate(intervals) for pair in part.pairs]
        between, lost = fill_between(self._redetector, image, spans)
        chains = [c for s, interval in enumerate(intervals) for c in _chains(s, interval)]
        chains += [chain for span in lost for chain in from_both_ends(span)]
        seen: list[list[list[Observation]]] = [[[] for _ in s.frames[1:-1]] for s in intervals]
        for s, at, observation in (*between, *followed(self._redetector, image, chains)):
            seen[s][at - 1].append(observation)
        return [[_one_each(of_frame) for of_frame in of_interval] for of_interval in seen]


def _span(s: int, interval: KeyFrameInterval, pair: Pair) -> FaceInterval:
    first, last = observations(interval.first)[pair.first], observations(interval.last)[pair.last]
    return FaceInterval(s, 0, len(interval.frames) - 1, first, last)


def _chains(s: int, interval: KeyFrameInterval) -> list[Chain]:
    """The faces that one end alone shows."""
    of_first, of_last = {p.first for p in interval.pairs}, {p.last for p in interval.pairs}
    first, last = observations(interval.first), observations(interval.last)
    end = len(interval.frames) - 1
    return [
        *(Chain(s, seen, 0, end, 1) for a, seen in enumerate(first) if a not in of_first),
        *(Chain(s, seen, end, 0, -1) for b, seen in enumerate(last) if b not in of_last),
    ]


def _is_new(seen: Observation, faces: Faces) -> bool:
    return not len(faces) or bool(iou_matrix(seen.box[None], faces.boxes).max() < SAME_FACE)


def _one_each(seen: list[Observation]) -> Faces:
    """The frame's faces; of several sightings of one face the surest."""
    if not seen:
        return Faces.none()
    boxes, scores, landmarks, anchors, sources = zip(*seen, strict=True)
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
