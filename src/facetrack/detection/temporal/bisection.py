"""Faces between key frames for a detector that is cheap on whole frames: look in the middle.

A stretch is a run of frames inside one shot that starts and ends with a key frame. Its middle is
searched. Where all faces of the middle lie on the straight way from end to end, they are
interpolated over the rest of the stretch; else both halves are treated the same, down to every
frame. So what appears, vanishes or turns is seen frame by frame, and what stands still costs two
searched frames in sixteen.

The result of a stretch depends on its frames alone, never on how stretches were batched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facetrack.core.boxes import iou_matrix
from facetrack.core.types import Faces, Float32
from facetrack.detection.detector import Detector
from facetrack.detection.mtcnn.cascade import SURE
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval
from facetrack.media.frame_image import Frame

STRAIGHT = 0.8
"""IoU of a face with its place on the straight way from which the way is straight."""
LONGEST_STRAIGHT = 8
"""Frames from search to search at most on a straight way."""
NEXT_TO = 2
"""Frames from search to search that need no search between, if no face has moved much."""


@dataclass
class _Part:
    """A piece of a stretch between two searched frames."""

    interval: KeyFrameInterval
    straight: bool = False
    """Whether the search in the middle of the way that this is half of lay on it."""

    @property
    def needs_no_search(self) -> bool:
        frames = len(self.interval.frames) - 1
        if frames == 1:
            return True
        if not _agrees(self.interval):
            return False
        if self.straight:
            return frames <= LONGEST_STRAIGHT
        return frames <= NEXT_TO and bool((_paired_iou(self.interval) >= STRAIGHT).all())


class Bisection:
    """Finds the faces of whole stretches; counts the frames that it searched."""

    looks = 0
    """Places that were looked at outside of key frames: none."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.key_frames = 0

    def key(self, frames: Sequence[Frame]) -> list[Faces]:
        """The faces of each frame, searched."""
        self.key_frames += len(frames)
        return list(self._detector.detect([f.image for f in frames]))

    def carried(self, beside: Faces, apart: int, frame: Frame, faces: Faces) -> Faces:
        """The faces of a key frame as they were found."""
        return faces

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each stretch the faces of all its frames but the first."""
        parts = [[_Part(s)] for s in intervals]
        while wide := [p for of in parts for p in of if not p.needs_no_search]:
            found = self.key([p.interval.frames[p.interval.middle] for p in wide])
            halves = {id(p): _halves(p, faces) for p, faces in zip(wide, found, strict=True)}
            parts = [[h for p in of for h in halves.get(id(p), [p])] for of in parts]
        return [
            [faces for part in of for faces in _faces_of(part.interval)][: len(interval.frames) - 1]
            for interval, of in zip(intervals, parts, strict=True)
        ]


def _halves(part: _Part, middle: Faces) -> list[_Part]:
    interval = part.interval
    straight = _agrees(interval) and _lies_on(middle, _between(interval, interval.middle))
    return [_Part(half, straight) for half in interval.halves(middle)]


def _agrees(interval: KeyFrameInterval) -> bool:
    """Whether both ends show the same faces, hardly moved.

    Faces that are not sure come and go with the noise of the film. To look for each of them would
    be to search every frame, so they need not agree.
    """
    if any(pair.apart for pair in interval.pairs):
        return False
    first, last = {p.first for p in interval.pairs}, {p.last for p in interval.pairs}
    return _sure(interval.first) <= first and _sure(interval.last) <= last


def _lies_on(found: Faces, expected: Faces) -> bool:
    """Whether the sure faces of these are the same, each nearly where it was expected."""
    sure, wanted = _sure(found), _sure(expected)
    if not sure and not wanted:
        return True
    if not len(found) or not len(expected):
        return False
    near = iou_matrix(found.boxes, expected.boxes) >= STRAIGHT
    return bool(near[sorted(sure)].any(axis=1).all() and near[:, sorted(wanted)].any(axis=0).all())


def _sure(faces: Faces) -> set[int]:
    """Positions of the faces that are sure."""
    return set(np.flatnonzero(faces.scores >= SURE).tolist())


def _faces_of(interval: KeyFrameInterval) -> list[Faces]:
    """The faces of every frame but the first."""
    inner = [_between(interval, at) for at in range(1, len(interval.frames) - 1)]
    return [*inner, interval.last]


def _between(interval: KeyFrameInterval, at: int) -> Faces:
    """The faces that both ends show, on the straight way, at a position in the stretch."""
    if not interval.pairs:
        return Faces.none()
    first = interval.first.pick(np.array([p.first for p in interval.pairs]))
    last = interval.last.pick(np.array([p.last for p in interval.pairs]))
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
    """Of each face that both ends show, its IoU with itself."""
    if not interval.pairs:
        return np.ones(0, np.float32)
    iou = iou_matrix(interval.first.boxes, interval.last.boxes)
    return np.array([iou[p.first, p.last] for p in interval.pairs], np.float32)
