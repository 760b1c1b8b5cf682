"""The faces that both ends of a stretch show, in the frames between: few looks where little moves.

The middle is looked at first. Where O-Net sees the face on the straight way from end to end, the
rest of the way is taken as straight too, up to a length; where it does not, both halves are
treated in the same way; and where it sees no face at all, the span is given back as lost.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from facetrack.core.boxes import iou_matrix
from facetrack.detection.mtcnn.cascade import SURE
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import FrameImage

STRAIGHT = 0.85
"""IoU of a face with its place on the straight way from which the way is straight."""
LONGEST_STRAIGHT = 8
"""Frames from look to look at most on a straight way."""
NEXT_TO = 3
"""Frames from look to look that need no look between, if the face has hardly moved."""


class FaceInterval(NamedTuple):
    """One face from a frame of a stretch to a later one."""

    interval: int
    start: int
    """Position in the stretch."""
    end: int
    first: Observation
    last: Observation
    straight: bool = False
    """Whether the look at the middle of the way that this is half of lay on it."""

    @property
    def needs_no_look(self) -> bool:
        if min(self.first.score, self.last.score) < SURE:
            return False
        frames = self.end - self.start
        if self.straight:
            return frames <= LONGEST_STRAIGHT
        return frames <= NEXT_TO and _iou(self.first, self.last) >= STRAIGHT

    def at(self, frame: int) -> Observation:
        """Where the face is expected."""
        return self.first.towards(self.last, (frame - self.start) / (self.end - self.start))

    @property
    def between(self) -> Iterable[int]:
        return range(self.start + 1, self.end)


Found = tuple[int, int, Observation]
"""Stretch, position in it, face."""


def fill_between(
    redetector: Redetector, image: Callable[[int, int], FrameImage], intervals: list[FaceInterval]
) -> tuple[list[Found], list[FaceInterval]]:
    """The faces strictly between, and the spans whose middle shows none.

    ``image``: that of a position in a stretch.
    """
    found: list[Found] = []
    lost: list[FaceInterval] = []
    while intervals:
        open_intervals = []
        for interval in intervals:
            if interval.needs_no_look:
                found += [(interval.interval, at, interval.at(at)) for at in interval.between]
            elif interval.between:
                open_intervals.append(interval)
        middles = [(s.start + s.end) // 2 for s in open_intervals]
        expected = [s.at(at) for s, at in zip(open_intervals, middles, strict=True)]
        looks = redetector.refined(
            [image(s.interval, at) for s, at in zip(open_intervals, middles, strict=True)], expected
        )
        intervals = []
        for interval, at, there, seen in zip(open_intervals, middles, expected, looks, strict=True):
            if seen is None:
                lost.append(interval)
                continue
            found.append((interval.interval, at, seen))
            straight = _iou(there, seen) >= STRAIGHT
            intervals += [
                interval._replace(end=at, last=seen, straight=straight),
                interval._replace(start=at, first=seen, straight=straight),
            ]
    return found, lost


def _iou(a: Observation, b: Observation) -> float:
    return float(iou_matrix(a.box[None], b.box[None])[0, 0])
