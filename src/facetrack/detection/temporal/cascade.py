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
from facetrack.detection.temporal.between import Span, fill_between
from facetrack.detection.temporal.follow import Chain, followed, from_both_ends
from facetrack.detection.temporal.key_frame_interval import SAME_FACE, Pair, Stretch, same_faces
from facetrack.detection.temporal.redetect import Refiner, Refines, Sighting, sightings
from facetrack.media.frame_image import Frame, Picture

SHORTEST = 8
"""Frames from key frame to key frame at which halving ends."""


@runtime_checkable
class LooksAgain(Detector, Refines, Protocol):
    """A detector that can look at squares where faces are expected."""


class TemporalCascade:
    """Finds the faces of whole stretches; counts what it did."""

    def __init__(self, detector: LooksAgain, settings: DetectionSettings) -> None:
        self._detector = detector
        self._refiner = Refiner(detector, settings.onet_threshold)
        self.key_frames = 0

    @property
    def looks(self) -> int:
        """Squares that O-Net has looked at outside of key frames."""
        return self._refiner.looks

    def key(self, frames: Sequence[Frame]) -> list[Faces]:
        """The whole cascade on each frame."""
        self.key_frames += len(frames)
        return list(self._detector.detect([f.picture for f in frames]))

    def carried(self, beside: Faces, apart: int, frame: Frame, faces: Faces) -> Faces:
        """The faces of a key frame, and those of one ``apart`` frames away that O-Net surely
        sees there too."""
        matched = {pair.first for pair in same_faces(beside, faces, apart)}
        missing = [s for i, s in enumerate(sightings(beside)) if i not in matched]
        looks = self._refiner.looked([frame.picture] * len(missing), missing)
        seen = [s for s in looks if s.score >= SURE and _is_new(s, faces)]
        return _one_each([*sightings(faces), *seen]) if seen else faces

    def fill(self, stretches: Sequence[Stretch]) -> list[list[Faces]]:
        """For each stretch the faces of all its frames but the first."""
        parts = self._halved([[s] for s in stretches])
        flat = [part for of_stretch in parts for part in of_stretch]
        inner = iter(self._between(flat))
        return [
            [f for part in of_stretch for f in (*next(inner), part.last)][: len(stretch.frames) - 1]
            for stretch, of_stretch in zip(stretches, parts, strict=True)
        ]

    def _halved(self, parts: list[list[Stretch]]) -> list[list[Stretch]]:
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

    def _halves(self, part: Stretch, of_middle: Faces) -> list[Stretch]:
        middle, after = part.frames[part.middle], len(part.frames) - 1 - part.middle
        of_middle = self.carried(part.first, part.middle, middle, of_middle)
        return part.halves(self.carried(part.last, after, middle, of_middle))

    def _between(self, stretches: Sequence[Stretch]) -> list[list[Faces]]:
        def picture(stretch: int, at: int) -> Picture:
            return stretches[stretch].frames[at].picture

        spans = [_span(s, part, pair) for s, part in enumerate(stretches) for pair in part.pairs]
        between, lost = fill_between(self._refiner, picture, spans)
        chains = [c for s, stretch in enumerate(stretches) for c in _chains(s, stretch)]
        chains += [chain for span in lost for chain in from_both_ends(span)]
        seen: list[list[list[Sighting]]] = [[[] for _ in s.frames[1:-1]] for s in stretches]
        for s, at, sighting in (*between, *followed(self._refiner, picture, chains)):
            seen[s][at - 1].append(sighting)
        return [[_one_each(of_frame) for of_frame in of_stretch] for of_stretch in seen]


def _span(s: int, stretch: Stretch, pair: Pair) -> Span:
    first, last = sightings(stretch.first)[pair.first], sightings(stretch.last)[pair.last]
    return Span(s, 0, len(stretch.frames) - 1, first, last)


def _chains(s: int, stretch: Stretch) -> list[Chain]:
    """The faces that one end alone shows."""
    of_first, of_last = {p.first for p in stretch.pairs}, {p.last for p in stretch.pairs}
    first, last = sightings(stretch.first), sightings(stretch.last)
    end = len(stretch.frames) - 1
    return [
        *(Chain(s, seen, 0, end, 1) for a, seen in enumerate(first) if a not in of_first),
        *(Chain(s, seen, end, 0, -1) for b, seen in enumerate(last) if b not in of_last),
    ]


def _is_new(seen: Sighting, faces: Faces) -> bool:
    return not len(faces) or bool(iou_matrix(seen.box[None], faces.boxes).max() < SAME_FACE)


def _one_each(seen: list[Sighting]) -> Faces:
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
