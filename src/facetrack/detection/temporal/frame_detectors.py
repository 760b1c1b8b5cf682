"""The two ways from frames to faces: the whole cascade on every frame, or on key frames."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces
from facetrack.detection.detector import Detector
from facetrack.detection.frame_detections import FrameDetections
from facetrack.detection.temporal.bisection import Bisection
from facetrack.detection.temporal.cascade import LooksAgain, TemporalCascade
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval
from facetrack.media.frame_image import Frame

TOGETHER = 8
"""Stretches worked on together: enough to fill the networks, few enough that what is found is
tracked while the next ones are worked on."""
MOVED = 60.0
"""Changes of the coarse frame (of 255), summed over frames, after which a key frame is due."""


class Judged(NamedTuple):
    """A frame that the shot detector has seen with what follows it."""

    frame: Frame
    starts_shot: bool
    change: float
    """Mean absolute change of the coarse frame from the frame before, of 255."""


class IntervalFiller(Protocol):
    """Finds the faces of key frames, and of the frames between them."""

    @property
    def key_frames(self) -> int:
        """Frames that were searched."""
        ...

    @property
    def looks(self) -> int:
        """Squares that were looked at outside of them."""
        ...

    def key(self, frames: Sequence[Frame]) -> list[Faces]:
        """The faces of each frame, searched."""
        ...

    def carried(self, beside: Faces, apart: int, frame: Frame, faces: Faces) -> Faces:
        """The faces of a key frame, and those of one ``apart`` frames away that are there too."""
        ...

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each stretch the faces of all its frames but the first."""
        ...


class FrameDetector(Protocol):
    """Takes every frame in order; gives each back with its faces, in order, some time later."""

    @property
    def key_frames(self) -> int:
        """How many the whole cascade has seen."""
        ...

    @property
    def looks(self) -> int:
        """How many squares O-Net has looked at outside of them."""
        ...

    def push(self, judged: Judged) -> None:
        """Takes the next frame."""
        ...

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        """Works on what was pushed; all of it when ``last``, else what can be decided."""
        ...


def frame_detector(detector: Detector, settings: DetectionSettings) -> FrameDetector:
    """Every frame or key frames, as the settings say."""
    if settings.on_every_frame:
        return EveryFrameDetector(detector)
    if isinstance(detector, LooksAgain):
        return KeyFrameDetector(TemporalCascade(detector, settings), settings.key_interval)
    return KeyFrameDetector(Bisection(detector), settings.key_interval)


class EveryFrameDetector:
    """The whole cascade on every frame. New frames are begun before the last ones are waited for,
    so that the engine always has work."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._waiting: list[Judged] = []
        self._begun: deque[tuple[list[Judged], Iterator[Faces]]] = deque()
        self.key_frames = 0
        self.looks = 0

    def push(self, judged: Judged) -> None:
        self._waiting.append(judged)

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.key_frames += len(waiting)
            found = self._detector.detect([judged.frame.image for judged in waiting])
            self._begun.append((waiting, found))
        while self._begun and (last or self._behind() >= self._detector.frames_ahead):
            waiting, found = self._begun.popleft()
            for judged, faces in zip(waiting, found, strict=True):
                yield FrameDetections(judged.frame, judged.starts_shot, faces)

    def _behind(self) -> int:
        """Frames that are begun after the oldest call's."""
        return sum(len(frames) for frames, _ in islice(self._begun, 1, None))


class KeyFrameDetector:
    """Cuts the frames into stretches inside shots, whose ends are searched and inner frames filled.

    A stretch ends after ``key_interval`` frames, or sooner when the frame has moved much.
    """

    def __init__(self, filler: IntervalFiller, key_interval: int) -> None:
        self._filler = filler
        self._interval = key_interval
        self._run: list[Frame] = []
        """The frames since the last key frame, which is the first of them."""
        self._moved = 0.0
        self._runs: list[list[Frame]] = []
        self._starts: set[int] = set()
        """Which frames of the runs start a shot."""
        self._before: Faces = Faces.none()
        """Of the key frame that the next stretch starts with, already given out."""

    @property
    def key_frames(self) -> int:
        return self._filler.key_frames

    @property
    def looks(self) -> int:
        return self._filler.looks

    def push(self, judged: Judged) -> None:
        if judged.starts_shot:
            self._end_run()
            self._starts.add(judged.frame.index)
            self._run, self._moved = [], 0.0
        else:
            self._moved += judged.change
        self._run.append(judged.frame)
        if len(self._run) > self._interval or self._moved > MOVED:
            self._end_run()
            self._run, self._moved = [judged.frame], 0.0

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        if last:
            self._end_run()
            self._run = []
        runs, self._runs = self._runs, []
        for i in range(0, len(runs), TOGETHER):
            yield from self._filled(runs[i : i + TOGETHER])

    def _filled(self, runs: list[list[Frame]]) -> Iterator[FrameDetections]:
        starts = {run[0].index: run[0] for run in runs if run[0].index in self._starts}
        keys = starts | {run[-1].index: run[-1] for run in runs}
        before = self._before
        found = dict(zip(keys, self._filler.key(list(keys.values())), strict=True))
        ends = []
        for run in runs:
            first = found.get(run[0].index, before)
            before = self._filler.carried(first, len(run) - 1, run[-1], found[run[-1].index])
            found[run[-1].index] = before  # the next stretch starts with it, batched or not
            ends.append((first, before))
        filled = self._filler.fill(
            [KeyFrameInterval(run, *faces) for run, faces in zip(runs, ends, strict=True)]
        )
        for run, (first, self._before), faces_of in zip(runs, ends, filled, strict=True):
            if run[0].index in starts:
                self._starts.remove(run[0].index)
                yield FrameDetections(run[0], True, first)
            for frame, faces in zip(run[1:], faces_of, strict=True):
                yield FrameDetections(frame, False, faces)

    def _end_run(self) -> None:
        """What was gathered is a stretch, unless its one frame has been given out already."""
        if len(self._run) > 1 or (self._run and self._run[0].index in self._starts):
            self._runs.append(self._run)
