"""The two ways from frames to faces: the whole cascade on every frame, or on key frames."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from facetrack.detection.temporal import Stretch, TemporalCascade
from facetrack.engines.base import Engine
from facetrack.settings import DetectionSettings
from facetrack.types import Faces, Frame


class Seen(NamedTuple):
    """A frame, whether it starts a shot, and its faces."""

    frame: Frame
    starts_shot: bool
    faces: Faces


class FrameDetector(Protocol):
    """Takes every frame in order; gives each back with its faces, in order, some time later."""

    @property
    def key_frames(self) -> int: ...

    @property
    def refined_boxes(self) -> int: ...

    def push(self, frame: Frame, starts_shot: bool) -> None: ...

    def detect(self, last: bool) -> Iterator[Seen]:
        """Works on what was pushed; all of it when ``last``, else what can be decided."""
        ...


def frame_detector(engine: Engine, settings: DetectionSettings) -> FrameDetector:
    if settings.dense:
        return DenseDetector(engine)
    return KeyFrameDetector(engine, settings)


class DenseDetector:
    """The whole cascade on every frame."""

    BATCH = 8
    """Pictures a call: beyond it a CPU gains nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Frame, bool]] = []
        self.key_frames = 0
        self.refined_boxes = 0

    def push(self, frame: Frame, starts_shot: bool) -> None:
        self._waiting.append((frame, starts_shot))

    def detect(self, last: bool) -> Iterator[Seen]:
        waiting, self._waiting = self._waiting, []
        for i in range(0, len(waiting), self.BATCH):
            part = waiting[i : i + self.BATCH]
            self.key_frames += len(part)
            found = self._engine.detect([frame.image for frame, _ in part])
            for (frame, starts_shot), faces in zip(part, found, strict=True):
                yield Seen(frame, starts_shot, faces)


class KeyFrameDetector:
    """Cuts the frames into stretches inside shots and fills them by the temporal cascade."""

    def __init__(self, engine: Engine, settings: DetectionSettings) -> None:
        self._cascade = TemporalCascade(engine, settings)
        self._interval = settings.key_interval
        self._waiting: list[tuple[Frame, bool]] = []
        self._shot_starts: set[int] = set()
        self._before: tuple[Frame, Faces] | None = None
        """The key frame that the next stretch starts with, already given out."""

    @property
    def key_frames(self) -> int:
        return self._cascade.key_frames

    @property
    def refined_boxes(self) -> int:
        return self._cascade.refined_boxes

    def push(self, frame: Frame, starts_shot: bool) -> None:
        self._waiting.append((frame, starts_shot))

    def detect(self, last: bool) -> Iterator[Seen]:
        runs = self._runs(last)
        starts = [run[0] for run in runs if self._is_start(run)]
        ends = [run[-1] for run in runs if len(run) > 1]
        keys = {f.index: f for f in (*starts, *ends)}
        found = dict(zip(keys, self._cascade.key(list(keys.values())), strict=True))
        if self._before is not None:
            found[self._before[0].index] = self._before[1]
        stretches = [
            Stretch(run, found[run[0].index], found[run[-1].index]) for run in runs if len(run) > 1
        ]
        filled = iter(self._cascade.fill(stretches))
        for run in runs:
            if self._is_start(run):
                yield Seen(run[0], True, found[run[0].index])
            if len(run) > 1:
                for frame, faces in zip(run[1:], next(filled), strict=True):
                    yield Seen(frame, False, faces)
        if runs:
            self._before = (runs[-1][-1], found[runs[-1][-1].index])

    def _is_start(self, run: list[Frame]) -> bool:
        return run[0].index in self._shot_starts

    def _runs(self, last: bool) -> list[list[Frame]]:
        """Whole stretches of what waits; a run that may still grow stays, unless it is the last."""
        self._shot_starts = {f.index for f, starts_shot in self._waiting if starts_shot}
        runs: list[list[Frame]] = []
        run = [self._before[0]] if self._before is not None else []
        taken = 0
        for i, (frame, starts_shot) in enumerate(self._waiting):
            if starts_shot or not run:
                if len(run) > 1 or (run and run[0].index in self._shot_starts):
                    runs.append(run)
                run, taken = [frame], i
            else:
                run.append(frame)
            if len(run) == self._interval + 1:
                runs.append(run)
                run, taken = [frame], i + 1
        if last and (len(run) > 1 or (run and run[0].index in self._shot_starts)):
            runs.append(run)
            taken = len(self._waiting)
        self._waiting = self._waiting[taken:]
        return runs
