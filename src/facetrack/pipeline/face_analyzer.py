"""Video to tracks: one thread decodes, the caller's finds cuts and detects, a third one tracks, a
fourth one looks at who the ended tracks are.

None runs ahead by more than its queue holds. Whatever ends one side (an error, the end, Ctrl-C in
the caller's thread) ends the others: all threads are joined before ``run`` leaves.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise

from facetrack.core.settings import DecodeSettings, Settings
from facetrack.detection.detector import Detector
from facetrack.detection.frame_detections import FrameDetections
from facetrack.detection.temporal.frame_detectors import Judged, frame_detector
from facetrack.media.frame_image import Frame
from facetrack.media.source import VideoSource
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.allocator import map_large_blocks, only_new_garbage
from facetrack.runtime.batching import calculate_optimal_batch_size
from facetrack.runtime.interpreter import quick_turns
from facetrack.runtime.queues import FrameQueue, QueueClosed
from facetrack.runtime.run_stats import RunStats
from facetrack.runtime.serial_executor import SerialExecutor
from facetrack.timeline import Shot
from facetrack.tracking.shots import ShotDecision, ShotDetector
from facetrack.tracking.tracker import Tracker
from facetrack.tracking.tracks import Track

TRACKED_LATER = 4
"""So many of the smallest batches, whose faces are known, may wait for the tracker, which takes
one at a time."""
ENDED_LATER = 64
"""So often may tracks that ended together wait to be looked at."""


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
    embedded_faces: int = 0
    """By the engine, as soon as it found them."""
    key_frames: int = 0
    looks: int = 0
    batch_sizes: Counter[int] = field(default_factory=Counter)
    """How often how many frames were taken from the queue together."""

    def shots(self) -> list[Shot]:
        """From cut to cut; together all frames."""
        end = self.first_frame + len(self.times_s)
        edges = [*self.shot_starts, end]
        return [Shot(a, b) for a, b in pairwise(edges)]


class FaceAnalyzer:
    """Takes one video through detection and tracking."""

    def __init__(
        self,
        detector: Detector,
        settings: Settings,
        stats: RunStats,
        embedder: FaceEmbedder,
        on_tracks: Callable[[list[Track]], None],
        on_progress: Callable[[AnalyzedFrames, int, int], None],
    ) -> None:
        self._decode = settings.decode
        self._smallest_batch = detector.smallest_batch
        self._stats = stats
        self._on_tracks = on_tracks
        self._on_progress = on_progress
        self._shots = ShotDetector()
        self._unjudged: deque[Frame] = deque()
        self._shape: tuple[int, int] | None = None
        self._detector = frame_detector(detector, settings.detection)
        self._tracker = Tracker(settings.tracking, settings.identity.faces_per_track, embedder)
        self._seen = AnalyzedFrames()

    def run(self, source: VideoSource) -> AnalyzedFrames:
        """Gives ended tracks to ``on_tracks``, in a thread; returns the facts of the frames."""
        map_large_blocks()
        with (
            only_new_garbage(),
            quick_turns(),
            SerialExecutor("people", ENDED_LATER) as self._ended,
            SerialExecutor("track", TRACKED_LATER) as self._later,
        ):
            with produced_frames(source, self._decode, self._stats) as queue:
                while batch := self._take(queue):
                    self._unjudged.extend(batch)
                    with self._stats.stages.shots:
                        decisions = self._shots.push(batch)
                    for decision in decisions:
                        self._push(decision)
                    self._detect(last=False, queued=len(queue))
            for decision in self._shots.flush():
                self._push(decision)
            self._detect(last=True, queued=0)
            with self._stats.stages.wait_for_tracker:
                self._later.call(self._end_all)
                self._later.finish()
                self._ended.finish()
        self._on_progress(self._seen, self._tracker.started, 0)
        self._seen.key_frames = self._detector.key_frames
        self._seen.looks = self._detector.looks
        return self._seen

    def _take(self, queue: FrameQueue) -> list[Frame]:
        size = calculate_optimal_batch_size(
            len(queue), queue.frame_bytes, queue.max_bytes, self._smallest_batch
        )
        with self._stats.stages.wait_for_frames:
            batch = queue.take(size)
        if batch:
            self._stats.batch_chosen(size)
            self._seen.batch_sizes[len(batch)] += 1
        return batch

    def _push(self, decision: ShotDecision) -> None:
        """Another frame size, as some broadcasts have, starts a shot too."""
        frame = self._unjudged.popleft()
        resized = self._shape != frame.image.shape
        if resized:
            self._detect(last=True, queued=0)
        self._shape = frame.image.shape
        self._detector.push(Judged(frame, decision.starts_shot or resized, decision.change))

    def _detect(self, last: bool, queued: int) -> None:
        stages = self._stats.stages
        found = stages.detect.making(self._detector.detect(last))
        while together := list(islice(found, self._smallest_batch)):
            for seen in together:
                self._note(seen)
            with stages.wait_for_tracker:
                self._later.call(self._track, together)
            self._on_progress(self._seen, self._tracker.started, queued)

    def _note(self, seen: FrameDetections) -> None:
        facts = self._seen
        if not facts.times_s:
            facts.first_frame = seen.frame.index
        if seen.starts_shot:
            facts.shot_starts.append(seen.frame.index)
        facts.times_s.append(seen.frame.time_s)
        facts.faces += len(seen.faces)
        if seen.faces.recognised is not None:
            facts.embedded_faces += len(seen.faces)
        self._stats.frames_found += 1

    def _track(self, together: list[FrameDetections]) -> None:
        with self._stats.stages.track:
            for tracks in self._tracker.update(together):
                self._end(tracks)
        self._stats.frames_done += len(together)

    def _end_all(self) -> None:
        with self._stats.stages.track:
            self._end(self._tracker.finish())

    def _end(self, tracks: list[Track]) -> None:
        if tracks:
            self._ended.call(self._on_tracks, tracks)


@contextmanager
def produced_frames(
    source: VideoSource, settings: DecodeSettings, stats: RunStats
) -> Iterator[FrameQueue]:
    """Decodes in a thread of its own for as long as the body runs; joins it in any case."""
    queue = FrameQueue(settings.queue_frames, source.queue_bytes(settings.queue_bytes))
    stats.queue = queue
    frames = source.frames(settings.start_s, settings.duration_s)

    def produce() -> None:
        try:
            for frame in stats.stages.decode.making(frames):
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
