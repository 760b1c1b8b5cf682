"""Tracks to people and rows."""

import numpy as np

from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.detection.detector import FrameDetections
from facetrack.media.decode import ReadFacts
from facetrack.media.orientation import UPRIGHT
from facetrack.pipeline.chunk_result import ChunkResult
from facetrack.pipeline.engine import EngineFacts
from facetrack.pipeline.face_analyzer import AnalyzedFrames
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.pipeline.tracklet_maker import TrackletMaker
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.timeline import RecognizerInfo
from facetrack.tracking.tracker import SortTracker
from made.simple_faces import AllSimilar, box, faces, frame


def test_faces_are_rows_by_frame_then_track():
    settings = TrackingSettings(min_frames=2)
    embedder = FaceEmbedder(AllSimilar())
    maker = TrackletMaker(embedder, settings, IdentitySettings())
    frames = [faces(box(50), box(150)), faces(box(50), box(150)), faces(box(50)), faces(box(250))]
    tracker = SortTracker(settings, 4, embedder)
    for i, found in enumerate(frames):
        tracker.update([FrameDetections(frame(i), False, found)])
    maker.add(tracker.finish())
    assert maker.people_so_far == 2
    recognizer = RecognizerInfo(embedder.name, embedder.dim, embedder.calibration)
    nothing = np.zeros(embedder.dim, np.float32)
    generator = IdTimelineGenerator(recognizer, nothing, settings, IdentitySettings())
    times_s = [i / 25 for i in range(4)]
    generator.add(
        ChunkResult(
            maker.tracklets,
            AnalyzedFrames(0, times_s, [(320, 240)] * 4, [0]),
            ReadFacts(4 / 25, UPRIGHT),
            recognizer,
            "libav",
            nothing,
            EngineFacts("made", "made", embedder.name),
            {},
        )
    )
    assert generator.people_so_far == 2
    timeline = generator.finish(4 / 25)
    assert timeline.faces["frame"].to_pylist() == [0, 0, 1, 1, 2, 3]
    assert timeline.faces["track"].to_pylist() == [1, 2, 1, 2, 1, 3]
    assert timeline.faces["person"].to_pylist() == [1, 2, 1, 2, 1, 0]
    assert timeline.faces["x1"].to_pylist() == [50, 150, 50, 150, 50, 250]
    assert timeline.faces["landmarks"][0].as_py() == [3, 3, 7, 3, 5, 5, 3, 8, 7, 8]
    assert timeline.faces["source"].to_pylist() == ["detected"] * 6
    assert [(p.frames, p.seconds) for p in timeline.people] == [(3, 0.12), (2, 0.08)]
    assert [d.track for d in timeline.dropped] == [3]
