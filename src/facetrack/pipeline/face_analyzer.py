"""Video to tracks: a producer thread decodes, the consumer detects, finds cuts and tracks.

The producer never runs ahead by more than the queue holds. Whatever ends one side (an error, the
end, Ctrl-C in the consumer's thread) ends the other: the producer is joined before ``run`` leaves.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from facetrack.analysis import Shot
from facetrack.engines.base import Engine
from facetrack.media.decode import VideoSource
from facetrack.pipeline.batching import calculate_optimal_batch_size
from facetrack.pipeline.detectors import FrameDetector, frame_detector
from facetrack.pipeline.queues import FrameQueue, QueueClosed
from facetrack.settings import DecodeSettings, Settings
from facetrack.tracking.shots import ShotDetector
from facetrack.tracking.tracker import Tracker
from facetrack.tracking.tracks import Track
from facetrack.types import Faces, Frame


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, for whoever shows it."""

    frames: int
    expected_frames: int | None
    faces: int
    tracks: int
    people: int
    queued_frames: int


@dataclass
class AnalyzedFrames:
    """What the pass over the frames leaves behind beside the tracks."""

    first_frame: int = 0
    times_s: list[float] = field(default_factory=list)
    shot_starts: list[int] = field(default_factory=list)
    faces: int = 0
    detect_s: float = 0.0
    track_s: float = 0.0
    key_frames: int = 0
    refined_boxes: int = 0
    batch_sizes: Counter[int] = field(default_factory=Counter)
    """How often how many frames went through the networks together."""

    def shots(self) -> list[Shot]:
        end = self.first_frame + len(self.times_s)
        edges = [*self.shot_starts, end]
        return [Shot(a, b) for a, b in pairwise(edges)]


class FaceAnalyzer:
    """Runs one video through detection and tracking."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        on_track: Callable[[Track], None],
        on_progress: Callable[[AnalyzedFrames, int, int], None],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._on_track = on_track
        self._on_progress = on_progress
        self._shape: tuple[int, ...] | None = None
        self._tracker = Tracker(settings.tracking, settings.identity.faces_per_track, engine.embed)

    def run(self, source: VideoSource) -> AnalyzedFrames:
        """Gives each ended track to ``on_track``; returns the facts of the frames."""
        seen = AnalyzedFrames()
        shots = ShotDetector()
        waiting: deque[Frame] = deque()
        detector = frame_detector(self._engine, self._settings.detection)
        with produced_frames(source, self._settings.decode) as queue:
            while batch := queue.take(
                calculate_optimal_batch_size(len(queue), queue.frame_bytes, queue.max_bytes)
            ):
                seen.batch_sizes[len(batch)] += 1
                for frame in batch:
                    waiting.append(frame)
                    cut = shots.push(frame.image)
                    if cut is not None:
                        self._push(detector, waiting.popleft(), cut, seen)
                self._detect(detector, seen, last=False)
                self._on_progress(seen, self._tracker.started, len(queue))
        for cut in shots.flush():
            self._push(detector, waiting.popleft(), cut, seen)
        self._detect(detector, seen, last=True)
        seen.key_frames, seen.refined_boxes = detector.key_frames, detector.refined_boxes
        self._report(self._tracker.finish())
        self._on_progress(seen, self._tracker.started, 0)
        return seen

    def _push(self, detector: FrameDetector, frame: Frame, cut: bool, seen: AnalyzedFrames) -> None:
        """Another picture size, as some broadcasts have, starts a shot too."""
        resized = self._shape is not None and self._shape != frame.image.shape
        if resized:
            self._detect(detector, seen, last=True)
        starts_shot = cut or resized or self._shape is None
        self._shape = frame.image.shape
        detector.push(frame, starts_shot)

    def _detect(self, detector: FrameDetector, seen: AnalyzedFrames, last: bool) -> None:
        started = time.perf_counter()
        tracked_s = 0.0
        for frame, starts_shot, faces in detector.detect(last):
            before = time.perf_counter()
            self._track(frame, faces, starts_shot, seen)
            tracked_s += time.perf_counter() - before
        seen.track_s += tracked_s
        seen.detect_s += time.perf_counter() - started - tracked_s

    def _track(self, frame: Frame, faces: Faces, cut: bool, seen: AnalyzedFrames) -> None:
        if not seen.times_s:
            seen.first_frame = frame.index
        if cut or not seen.times_s:
            seen.shot_starts.append(frame.index)
        seen.times_s.append(frame.time_s)
        seen.faces += len(faces)
        self._report(self._tracker.update(frame, faces, cut))

    def _report(self, ended: list[Track]) -> None:
        for track in ended:
            self._on_track(track)


@contextmanager
def produced_frames(source: VideoSource, settings: DecodeSettings) -> Iterator[FrameQueue]:
    """Decodes in a thread of its own for as long as the body runs; joins it in any case."""
    queue = FrameQueue(settings.queue_frames, settings.queue_bytes)

    def produce() -> None:
        try:
            for frame in source.frames(settings.start_s, settings.duration_s):
                queue.put(frame)
        except QueueClosed:
            pass
        except BaseException as error:
            queue.finish(error)  # raised again where the frames are taken
        else:
            queue.finish()

    producer = threading.Thread(target=produce, name="decode", daemon=True)
    producer.start()
    try:
        yield queue
    finally:
        queue.close()
        producer.join()
