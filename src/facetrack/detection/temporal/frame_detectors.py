"""Faces of every frame of a video: by searching every frame, or only key frames.

To *search* a frame means to run the whole detector over it. To *redetect* a face means to run only
R-Net and O-Net where it is expected, which costs a small part of a search. A GPU searches every
frame (``EveryFrameDetector``). A CPU searches key frames and fills the frames between them
(``KeyFrameDetector``):

1. **Key frames.** The frames of a shot are cut into intervals that begin and end with a key frame.
   An interval ends at each frame whose number is a multiple of ``key_interval``, or sooner when
   the image has changed by ``MOVED``. So the key frames of a part of a video are those of the
   whole. Key frames are searched.
2. **Same faces.** The faces of the two ends of an interval are matched: those that overlap by
   ``SAME_FACE``, else those of similar size (``SAME_SIZE``) that a face can cover the distance of
   (``FASTEST``, ``FARTHEST``). See ``key_frame_interval``.

With a detector that redetects (MTCNN; ``cascade``):

3. **Carry over.** A face that one key frame shows and the next one does not is redetected there; if
   it is surely there, it is added.
4. **Bisection by search.** Where the ends still disagree, the frame in the middle becomes another
   key frame, until an interval has ``SHORTEST`` frames.
5. **Interpolation** (``between``). A face that both ends show is redetected in the middle. If it is
   on the straight line between them (``STRAIGHT``), the rest of the line is interpolated, up to
   ``LONGEST_STRAIGHT`` frames; else both halves are treated likewise. Over ``NEXT_TO`` frames a
   face that hardly moved is interpolated at once.
6. **Following** (``follow``). A face that only one end shows is redetected frame by frame, at the
   place that its motion predicts, until it is missed in more than ``PATIENCE`` frames in a row. So
   it begins and ends on its own frame, not on a key frame. While its motion is unknown it is also
   looked for ``LEAP`` of its size around its place.
7. **Redetection** (``redetect``). If the first run of O-Net is not sure (``SURE``), it runs again
   on the square around the box that it found, then on squares moved and scaled by ``SHIFT``. Of the
   score that this gains, ``TRUST`` counts. The box must overlap the expected one by ``STAYS_PUT``.

With a detector that only searches (YuNet; ``bisection``): the middle of an interval is searched. If
all its sure faces are on straight lines between the ends, the interval is interpolated; else both
halves are treated likewise, down to every frame.

A face that appears and disappears between two key frames that agree is missed. The faces of an
interval depend on its own frames and the faces of its first one, never on how intervals are
batched.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces
from facetrack.detection.detector import Detector, FrameDetections, RedetectingDetector
from facetrack.detection.temporal.bisection import Bisection
from facetrack.detection.temporal.cascade import TemporalCascade
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval
from facetrack.media.frame_image import Frame

INTERVALS_AT_ONCE = 8
"""Number of intervals that are worked on at once: enough to fill the networks, few enough that the
tracker can start on the first ones while the next ones are worked on."""
MOVED = 60.0
"""Sum over frames of the change of the coarse frame (``ShotFrame.change``) after which the next key
frame is due."""


class ShotFrame(NamedTuple):
    """A frame, and what the shot detector says of it."""

    frame: Frame
    starts_shot: bool
    change: float
    """Mean absolute difference of the coarse frame from the one before, 0 to 255."""


class IntervalFiller(Protocol):
    """Finds the faces of key frames and of the frames between them."""

    @property
    def key_frames(self) -> int:
        """Number of frames searched so far."""
        ...

    @property
    def redetections(self) -> int:
        """Number of squares that R-Net and O-Net have scored outside of searches."""
        ...

    def search(self, frames: Sequence[Frame]) -> list[Faces]:
        """The faces of each frame, by searching it."""
        ...

    def carried_over(
        self, neighbour: Faces, frames_between: int, frame: Frame, faces: Faces
    ) -> Faces:
        """The faces of a key frame, and those of a neighbouring key frame that are there too.

        Args:
            neighbour: faces of the other key frame.
            frames_between: number of frames from one key frame to the other.
            frame: the key frame.
            faces: as the search found them.
        """
        ...

    def fill(self, intervals: Sequence[KeyFrameInterval]) -> list[list[Faces]]:
        """For each interval, the faces of all its frames but the first."""
        ...


class FrameDetector(Protocol):
    """Takes every frame of a video in order; gives each back with its faces, in order, later."""

    @property
    def key_frames(self) -> int:
        """Number of frames searched so far."""
        ...

    @property
    def redetections(self) -> int:
        """Number of squares that R-Net and O-Net have scored outside of searches."""
        ...

    def push(self, shot_frame: ShotFrame) -> None:
        """Takes the next frame."""
        ...

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        """Works on the frames pushed so far.

        ``last``: whether no frame follows; then all of them are given back.
        """
        ...


def frame_detector(detector: Detector, settings: DetectionSettings) -> FrameDetector:
    """The frame detector for the settings: every frame, or key frames."""
    if settings.on_every_frame:
        return EveryFrameDetector(detector)
    if isinstance(detector, RedetectingDetector):
        return KeyFrameDetector(TemporalCascade(detector, settings), settings.key_interval)
    return KeyFrameDetector(Bisection(detector), settings.key_interval)


class EveryFrameDetector:
    """Searches every frame. It starts new frames before it waits for the ones before, so that the
    device always has work."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._waiting: list[ShotFrame] = []
        self._started: deque[tuple[list[ShotFrame], Iterator[Faces]]] = deque()
        self.key_frames = 0
        self.redetections = 0

    def push(self, shot_frame: ShotFrame) -> None:
        self._waiting.append(shot_frame)

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.key_frames += len(waiting)
            found = self._detector.detect([one.frame.image for one in waiting])
            self._started.append((waiting, found))
        while self._started and (last or self._behind() >= self._detector.frames_ahead):
            waiting, found = self._started.popleft()
            for one, faces in zip(waiting, found, strict=True):
                yield FrameDetections(one.frame, one.starts_shot, faces)

    def _behind(self) -> int:
        """Number of frames that were started after those of the oldest call."""
        return sum(len(frames) for frames, _ in islice(self._started, 1, None))


class KeyFrameDetector:
    """Cuts the frames into intervals, searches their ends and fills the frames between (step 1).

    Memory: holds the frames of the intervals that were pushed since the last ``detect``.
    """

    def __init__(self, filler: IntervalFiller, key_interval: int) -> None:
        """``key_interval``: maximum number of frames from key frame to key frame."""
        self._filler = filler
        self._key_interval = key_interval
        self._run: list[Frame] = []
        """The frames since the last key frame, which is the first of them."""
        self._moved = 0.0
        self._runs: list[list[Frame]] = []
        """The frames of intervals that are complete."""
        self._starts: dict[int, bool] = {}
        """Indices of the key frames in the runs that no interval ends with: the first frame of all,
        and those that start a shot; whether each starts one."""
        self._before: Faces = Faces.none()
        """Of the key frame that the next interval starts with; it has been given out already."""

    @property
    def key_frames(self) -> int:
        return self._filler.key_frames

    @property
    def redetections(self) -> int:
        return self._filler.redetections

    def push(self, shot_frame: ShotFrame) -> None:
        frame = shot_frame.frame
        if shot_frame.starts_shot or not self._run:
            self._end_run()
            self._starts[frame.index] = shot_frame.starts_shot
            self._run, self._moved = [], 0.0
        else:
            self._moved += shot_frame.change
        self._run.append(frame)
        due = frame.index % self._key_interval == 0 or self._moved > MOVED
        if due and len(self._run) > 1:
            self._end_run()
            self._run, self._moved = [frame], 0.0

    def detect(self, last: bool) -> Iterator[FrameDetections]:
        if last:
            self._end_run()
            self._run = []
        runs, self._runs = self._runs, []
        for i in range(0, len(runs), INTERVALS_AT_ONCE):
            yield from self._filled(runs[i : i + INTERVALS_AT_ONCE])

    def _filled(self, runs: list[list[Frame]]) -> Iterator[FrameDetections]:
        starts = {run[0].index: run[0] for run in runs if run[0].index in self._starts}
        keys = starts | {run[-1].index: run[-1] for run in runs}
        found = dict(zip(keys, self._filler.search(list(keys.values())), strict=True))
        ends = []
        before = self._before
        for run in runs:
            first = found.get(run[0].index, before)
            last = run[-1]
            before = self._filler.carried_over(first, len(run) - 1, last, found[last.index])
            found[last.index] = before  # the next interval starts with it, in this batch or not
            ends.append((first, before))
        filled = self._filler.fill(
            [KeyFrameInterval(run, *faces) for run, faces in zip(runs, ends, strict=True)]
        )
        for run, (first, self._before), faces_of in zip(runs, ends, filled, strict=True):
            if run[0].index in starts:
                yield FrameDetections(run[0], self._starts.pop(run[0].index), first)
            for frame, faces in zip(run[1:], faces_of, strict=True):
                yield FrameDetections(frame, False, faces)

    def _end_run(self) -> None:
        """Ends the interval; skips one that is only the key frame already yielded."""
        if len(self._run) > 1 or (self._run and self._run[0].index in self._starts):
            self._runs.append(self._run)
