"""The faces that both ends of an interval show, in the frames between (step 5).

The face is redetected in the middle. Where it is on the straight line from end to end, the rest of
the line is interpolated, up to a length. Where it is not, both halves are treated likewise. Where
no face is found in the middle, the face interval is returned as lost, to be followed from
both ends.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from facetrack.core.boxes import iou
from facetrack.detection.detector import SURE
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import FrameImage

STRAIGHT = 0.85
"""IoU of a face with its place on the straight line from which it is on the line."""
LONGEST_STRAIGHT = 8
"""Maximum number of frames from observation to observation that a straight line is interpolated
over."""
NEXT_TO = 3
"""Maximum number of frames that are interpolated at once, without redetection, where the face has
hardly moved."""


class FaceInterval(NamedTuple):
    """One face from one frame of an interval to a later one."""

    interval: int
    """Position of the interval in the batch."""
    start: int
    """Position of the first frame in the interval."""
    end: int
    """Position of the last frame."""
    first: Observation
    last: Observation
    straight: bool = False
    """Whether this is half of a line whose middle was on the line."""

    @property
    def needs_no_redetection(self) -> bool:
        """Whether the frames between can be interpolated."""
        if min(self.first.score, self.last.score) < SURE:
            return False
        frames = self.end - self.start
        if self.straight:
            return frames <= LONGEST_STRAIGHT
        return frames <= NEXT_TO and bool(iou(self.first.box, self.last.box) >= STRAIGHT)

    def at(self, position: int) -> Observation:
        """Where the face is expected."""
        share = (position - self.start) / (self.end - self.start)
        return self.first.towards(self.last, share)

    @property
    def between(self) -> Iterable[int]:
        """Positions of the frames between the first and the last."""
        return range(self.start + 1, self.end)


PlacedFace = tuple[int, int, Observation]
"""Position of the interval, position of the frame in it, and the face."""


def fill_between(
    redetector: Redetector, image: Callable[[int, int], FrameImage], intervals: list[FaceInterval]
) -> tuple[list[PlacedFace], list[FaceInterval]]:
    """The faces of the frames between, and the intervals in whose middle the face is not found.

    ``image``: gives the frame at a position of an interval.
    """
    found: list[PlacedFace] = []
    lost: list[FaceInterval] = []
    while intervals:
        unfilled = []
        for interval in intervals:
            if interval.needs_no_redetection:
                found += [(interval.interval, at, interval.at(at)) for at in interval.between]
            elif interval.between:
                unfilled.append(interval)
        middles = [(s.start + s.end) // 2 for s in unfilled]
        expected = [s.at(at) for s, at in zip(unfilled, middles, strict=True)]
        images = [image(s.interval, at) for s, at in zip(unfilled, middles, strict=True)]
        redetected = redetector.redetected(images, expected)
        intervals = []
        for interval, at, place, face in zip(unfilled, middles, expected, redetected, strict=True):
            if face is None:
                lost.append(interval)
                continue
            found.append((interval.interval, at, face))
            straight = bool(iou(place.box, face.box) >= STRAIGHT)
            intervals += [
                interval._replace(end=at, last=face, straight=straight),
                interval._replace(start=at, first=face, straight=straight),
            ]
    return found, lost
