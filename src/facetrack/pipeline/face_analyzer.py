"""Frames to tracks: decode, find cuts, detect, track.

Three threads work side by side: one decodes, the caller's finds cuts and detects, one tracks and
passes on the tracks that ended. A bounded queue stands between each and the next. An error in one
of them, or Ctrl-C in the caller's, ends the others: all are joined before ``run`` returns.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise

from facetrack.core.extensions import TRACKERS, open_extension
from facetrack.core.limits import check_limit
from facetrack.core.settings import DecodeSettings, Settings
from facetrack.core.shortage import shortage_said
from facetrack.core.types import Faces
from facetrack.detection.detector import FrameDetections
from facetrack.detection.temporal.frame_detectors import ShotFrame, frame_detector
from facetrack.media.frame_image import Frame
from facetrack.pipeline.chunk_plan import Chunk
from facetrack.pipeline.engine import Engine
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.batching import calculate_optimal_batch_size
from facetrack.runtime.process import map_large_blocks, only_new_garbage, short_switch_interval
from facetrack.runtime.queues import CallQueue, FrameQueue, QueueClosed
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Shot
from facetrack.tracking.protocol import Tracker
from facetrack.tracking.shots import ShotDecision, ShotDetector
from facetrack.tracking.speculative import SpeculativeTracker
from facetrack.tracking.tracker import SortTracker
from facetrack.tracking.tracks import Track

MAX_UNTRACKED_BATCHES = 4
"""Maximum number of detected batches queued for the tracker."""
FRAMES_BEFORE = 3
"""Frames before a chunk whose images the tracker compares with those of its first frames."""


@dataclass
class AnalyzedFrames:
    """Facts of the frames and of the work on them, beside the tracks."""

    first_frame: int = 0
    """Index of the first frame in the source."""
    times_s: list[float] = field(default_factory=list)
    """Presentation time of each frame."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Width and height of each frame in pixels."""
    shot_starts: list[int] = field(default_factory=list)
    """Indices of the frames that start a shot."""
    faces: int = 0
    """Faces detected in all frames."""
    embedded_faces: int = 0
    """Faces that the engine embedded when it detected them."""
    key_frames: int = 0
    """As ``FrameDetector.key_frames``."""
    redetections: int = 0
    """As ``FrameDetector.redetections``."""
    batch_sizes: Counter[int] = field(default_factory=Counter)
    """How often a batch of each size was taken from the decoder's queue."""

    def extend(self, later: "AnalyzedFrames") -> None:
        """Adds the frames that follow on these."""
        if not self.times_s:
            self.first_frame = later.first_frame
        self.times_s += later.times_s
        self.sizes += later.sizes
        self.shot_starts += later.shot_starts
        self.faces += later.faces
        self.embedded_faces += later.embedded_faces
        self.key_frames += later.key_frames
        self.redetections += later.redetections
        self.batch_sizes += later.batch_sizes

    def shots(self) -> list[Shot]:
        """The shots from cut to cut, which hold all frames."""
        end = self.first_frame + len(self.times_s)
        edges = [*self.shot_starts, end]
        return [Shot(a, b) for a, b in pairwise(edges)]


class FaceAnalyzer:
    """Finds the tracks of one film, or of a chunk of it."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        stats: RunStats,
        embedder: FaceEmbedder,
        on_tracks: Callable[[list[Track]], None],
        on_progress: Callable[[AnalyzedFrames, int, int], None],
        chunk: Chunk | None = None,
    ) -> None:
        """
        Args:
            engine: detects; its device decides how faces are tracked.
            settings: of all stages.
            stats: is told what each stage does.
            embedder: for the tracker.
            on_tracks: called with tracks that ended together, in the tracker's thread. A thread of
                its own made a GPU's analysis a fifth slower: both waited for the interpreter.
            on_progress: called after each batch, in the caller's thread, with the facts so far, the
                number of tracks begun and the number of frames in the decoder's queue.
            chunk: frames before and after it only show where shots begin; None: all frames count.
        """
        self._chunk = chunk
        self._done = False
        """Whether the last frame of the chunk was given to the detector."""
        self._decode = settings.decode
        self._smallest_batch = engine.detector.smallest_batch
        self._stats = stats
        self._on_tracks = on_tracks
        self._on_progress = on_progress
        self._shots = ShotDetector()
        self._undecided: deque[Frame] = deque()
        """Frames of which the shot detector has not said yet whether they start a shot."""
        self._shape: tuple[int, int] | None = None
        """Of the newest frame given to the detector."""
        self._detector = frame_detector(engine.detector, settings.detection)
        self._tracker = tracker_for(engine, settings, embedder)
        self._facts = AnalyzedFrames()

    def run(self, frames: Iterator[Frame], queue_bytes: int) -> AnalyzedFrames:
        """Analyses the frames; returns when ``on_tracks`` has been given every track.

        Args:
            frames: in order. The iterator is closed after the last one that is needed.
            queue_bytes: memory of the frames that may wait for the detector.

        Raises:
            ResourceError: when memory or threads run out.
        """
        map_large_blocks()
        with (
            shortage_said(),
            only_new_garbage(),
            short_switch_interval(),
            CallQueue("track", MAX_UNTRACKED_BATCHES) as self._tracking,
        ):
            with produced_frames(frames, queue_bytes, self._decode, self._stats) as queue:
                while not self._done and (batch := self._take(queue)):
                    self._undecided.extend(batch)
                    with self._stats.stages.shots:
                        decisions = self._shots.push(batch)
                    for decision in decisions:
                        self._push(decision)
                    self._detect(last=self._done, queued=len(queue))
            if not self._done:
                for decision in self._shots.flush():
                    self._push(decision)
                self._detect(last=True, queued=0)
            with self._stats.stages.wait_for_tracker:
                self._tracking.call(self._end_all)
                self._tracking.finish()
        self._on_progress(self._facts, self._tracker.started, 0)
        self._facts.key_frames = self._detector.key_frames
        self._facts.redetections = self._detector.redetections
        return self._facts

    def _take(self, queue: FrameQueue) -> list[Frame]:
        size = calculate_optimal_batch_size(
            len(queue), queue.frame_bytes, queue.max_bytes, self._smallest_batch
        )
        with self._stats.stages.wait_for_frames:
            batch = queue.take(size)
        if batch:
            self._stats.batch_chosen(size)
            self._facts.batch_sizes[len(batch)] += 1
        return batch

    def _push(self, decision: ShotDecision) -> None:
        """Gives the oldest undecided frame to the detector.

        A change of the frame size, as some broadcasts have, starts a shot too.
        """
        frame, chunk = self._undecided.popleft(), self._chunk
        if self._done:
            return
        resized = self._shape != frame.image.shape
        self._shape = frame.image.shape
        if chunk is not None:
            if frame.index < chunk.first:
                self._lead_in(frame)
                return
            self._done = frame.index == chunk.last_searched
        if resized:
            self._detect(last=True, queued=0)
        self._detector.push(ShotFrame(frame, decision.starts_shot or resized, decision.change))

    def _lead_in(self, frame: Frame) -> None:
        """Shows the tracker what the last frames before the chunk look like, without faces."""
        assert self._chunk is not None
        if self._chunk.first - frame.index <= FRAMES_BEFORE:
            shown = [FrameDetections(frame, False, Faces.none())]
            self._tracking.call(self._show, shown)

    def _detect(self, last: bool, queued: int) -> None:
        stages = self._stats.stages
        found = stages.detect.iterate(self._detector.detect(last))
        while batch := list(islice(found, self._smallest_batch)):
            for detections in batch:
                self._note(detections)
            with stages.wait_for_tracker:
                self._tracking.call(self._track, batch)
            self._on_progress(self._facts, self._tracker.started, queued)

    def _note(self, detections: FrameDetections) -> None:
        facts = self._facts
        if not self._counts(detections):
            return
        if not facts.times_s:
            facts.first_frame = detections.frame.index
        if detections.starts_shot:
            facts.shot_starts.append(detections.frame.index)
        facts.times_s.append(detections.frame.time_s)
        height, width = detections.frame.image.shape
        facts.sizes.append((width, height))
        facts.faces += len(detections.faces)
        what = f"faces in frame {detections.frame.index}"
        check_limit(what, "frame_faces", len(detections.faces))
        if detections.faces.recognised is not None:
            facts.embedded_faces += len(detections.faces)
        self._stats.frames_detected += 1

    def _counts(self, detections: FrameDetections) -> bool:
        """Whether the frame is one of this chunk, and not the first one of the next."""
        return self._chunk is None or detections.frame.index < self._chunk.stop

    def _track(self, batch: list[FrameDetections]) -> None:
        with self._stats.stages.track:
            ended = self._tracker.update(batch)
        for tracks in ended:
            self._on_tracks(tracks)
        self._stats.frames_tracked += sum(self._counts(one) for one in batch)

    def _show(self, frames: list[FrameDetections]) -> None:
        """Lets the tracker see frames that do not count."""
        self._tracker.update(frames)

    def _end_all(self) -> None:
        with self._stats.stages.track:
            tracks = self._tracker.finish()
        if tracks:
            self._on_tracks(tracks)


def tracker_for(engine: Engine, settings: Settings, embedder: FaceEmbedder) -> Tracker:
    """A tracker that keeps up with the engine. Our two give the same tracks.

    A GPU detects a frame in less time than ``SortTracker`` needs for it. A CPU takes milliseconds
    for a frame.
    """
    given = settings.tracking, settings.identity.faces_per_track, embedder
    if settings.tracking.tracker != "auto":
        added: Tracker = open_extension(TRACKERS, settings.tracking.tracker, *given)
        return added
    return SortTracker(*given) if engine.gpu is None else SpeculativeTracker(*given)


@contextmanager
def produced_frames(
    frames: Iterator[Frame], queue_bytes: int, settings: DecodeSettings, stats: RunStats
) -> Iterator[FrameQueue]:
    """The queue of frames that a thread of its own decodes while the body runs.

    The thread is joined when the body ends, whatever ends it. What the decoder raises is raised
    again where the frames are taken.
    """
    queue = FrameQueue(settings.queue_frames, queue_bytes)
    stats.queue = queue

    def produce() -> None:
        try:
            for frame in stats.stages.decode.iterate(frames):
                queue.put(frame)
        except QueueClosed:
            pass
        except BaseException as error:
            queue.finish(error)
        else:
            queue.finish()

    producer = threading.Thread(target=produce, name="decode", daemon=True)
    producer.start()
    try:
        yield queue
    finally:
        queue.close()
        producer.join()
