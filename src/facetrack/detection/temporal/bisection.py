"""Fills intervals with a detector that only searches whole frames, and does so cheaply (YuNet).

The middle frame of an interval is searched. Where all its sure faces are on straight lines between
the ends, the rest of the interval is interpolated; else both halves are treated likewise, down to
every frame. So a face that appears, disappears or turns is found frame by frame, and an interval of
sixteen frames in which nothing moves costs two searched frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facetrack.core.boxes import iou, iou_matrix
from facetrack.core.types import Faces, Float32
from facetrack.detection.detector import SURE, Detector
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval
from facetrack.media.frame_image import Frame

STRAIGHT = 0.8
"""IoU of a face with its place on the straight line from which it is on the line."""
LONGEST_STRAIGHT = 8
"""Maximum number of frames from search to search that a straight line is interpolated over."""
NEXT_TO = 2
"""Maximum number of frames that are interpolated without a search between, where no face has moved
much."""


@dataclass
class _Part:
    """A part of an interval between two searched frames."""

    interval: KeyFrameInterval
    straight: bool = False
    """Whether this is half of an interval in whose middle all faces were on straight lines."""

    @property
    def needs_no_search(self) -> bool:
        """Whether the frames between can be interpolated, or there are none."""
        frames = len(self.interval.frames) - 1
        if frames == 1:
            return True
        if not _agrees(self.interval):
            return False
        if self.straight:
            return frames <= LONGEST_STRAIGHT
        return frames <= NEXT_TO and bool((_paired_iou(self.interval) >= STRAIGHT).all())


class Bisection:
    """Implements ``IntervalFiller``."""

    redetections = 0

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.key_frames = 0

    def search(self, frames: Sequence[Frame]) -> list[Faces]:
        """The whole detector on each frame."""
        self.key_frames += len(frames)
        return list(self._detector.detect([f.image for f in frames]))

    def carried_over(
        self, neighbour: Faces, frames_between: int, frame: Frame, faces: Faces
    ) -> Faces:
        """The faces as the search found them: without redetection none is added."""
        return faces

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each interval, the faces of all its frames but the first."""
        parts = [[_Part(s)] for s in intervals]
        while wide := [p for of in parts for p in of if not p.needs_no_search]:
            found = self.search([p.interval.frames[p.interval.middle] for p in wide])
            halves = {id(p): _halves(p, faces) for p, faces in zip(wide, found, strict=True)}
            parts = [[h for p in of for h in halves.get(id(p), [p])] for of in parts]
        return [
            [faces for part in of for faces in _faces_of(part.interval)][: len(interval.frames) - 1]
            for interval, of in zip(intervals, parts, strict=True)
        ]


def _halves(part: _Part, middle: Faces) -> list[_Part]:
    interval = part.interval
    straight = _agrees(interval) and _on_lines(middle, _between(interval, interval.middle))
    return [_Part(half, straight) for half in interval.halves(middle)]


def _agrees(interval: KeyFrameInterval) -> bool:
    """Whether both ends show the same sure faces, close to where they were.

    Faces that are not sure come and go with the noise of the video. They need not agree: to search
    for each of them would be to search every frame.
    """
    if any(pair.is_far for pair in interval.pairs):
        return False
    first, last = {p.first for p in interval.pairs}, {p.last for p in interval.pairs}
    return _sure(interval.first) <= first and _sure(interval.last) <= last


def _on_lines(found: Faces, expected: Faces) -> bool:
    """Whether the same sure faces are in both, each close to where it was expected."""
    sure, wanted = _sure(found), _sure(expected)
    if not sure and not wanted:
        return True
    if not len(found) or not len(expected):
        return False
    near = iou_matrix(found.boxes, expected.boxes) >= STRAIGHT
    return bool(near[sorted(sure)].any(axis=1).all() and near[:, sorted(wanted)].any(axis=0).all())


def _sure(faces: Faces) -> set[int]:
    """Positions of the sure faces."""
    return set(np.flatnonzero(faces.scores >= SURE).tolist())


def _faces_of(interval: KeyFrameInterval) -> list[Faces]:
    """The faces of every frame but the first."""
    inner = [_between(interval, at) for at in range(1, len(interval.frames) - 1)]
    return [*inner, interval.last]


def _between(interval: KeyFrameInterval, at: int) -> Faces:
    """The faces that both ends show, interpolated at a position in the interval."""
    if not interval.pairs:
        return Faces.none()
    first, last = _paired(interval)
    share = np.float32(at / (len(interval.frames) - 1))

    def mixed(a: Float32, b: Float32) -> Float32:
        return np.asarray((1 - share) * a + share * b, np.float32)

    faces = Faces.of_one_source(
        mixed(first.boxes, last.boxes),
        mixed(first.scores, last.scores),
        mixed(first.landmarks, last.landmarks),
        mixed(first.anchors, last.anchors),
        "interpolated",
    )
    return faces.pick(np.argsort(-faces.scores, kind="stable"))


def _paired_iou(interval: KeyFrameInterval) -> Float32:
    """``(n,)`` for each face that both ends show, the IoU of its two boxes."""
    first, last = _paired(interval)
    return iou(first.boxes, last.boxes).astype(np.float32)


def _paired(interval: KeyFrameInterval) -> tuple[Faces, Faces]:
    """The faces that both ends show, as the first and as the last frame shows them."""
    pairs = interval.pairs
    first = interval.first.pick(np.array([p.first for p in pairs], np.intp))
    return first, interval.last.pick(np.array([p.last for p in pairs], np.intp))
