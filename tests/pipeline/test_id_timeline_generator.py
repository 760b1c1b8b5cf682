"""Tracks to people and rows."""

from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.detection.frame_detections import FrameDetections
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.tracker import SortTracker
from made.simple_faces import AllSimilar, box, faces, frame


def test_faces_are_rows_by_frame_then_track():
    settings = TrackingSettings(min_frames=2)
    generator = IdTimelineGenerator(FaceEmbedder(AllSimilar()), settings, IdentitySettings())
    frames = [faces(box(50), box(150)), faces(box(50), box(150)), faces(box(50)), faces(box(250))]
    tracker = SortTracker(settings, 4, FaceEmbedder(AllSimilar()))
    for i, found in enumerate(frames):
        tracker.update([FrameDetections(frame(i), False, found)])
    generator.add(tracker.finish())
    assert generator.people_so_far == 2
    timeline = generator.finish(0, [i / 25 for i in range(4)], 4 / 25)
    assert timeline.faces["frame"].to_pylist() == [0, 0, 1, 1, 2, 3]
    assert timeline.faces["track"].to_pylist() == [1, 2, 1, 2, 1, 3]
    assert timeline.faces["person"].to_pylist() == [1, 2, 1, 2, 1, 0]
    assert timeline.faces["x1"].to_pylist() == [50, 150, 50, 150, 50, 250]
    assert timeline.faces["landmarks"][0].as_py() == [3, 3, 7, 3, 5, 5, 3, 8, 7, 8]
    assert timeline.faces["source"].to_pylist() == ["detected"] * 6
    assert [(p.frames, p.seconds) for p in timeline.people] == [(3, 0.12), (2, 0.08)]
    assert [d.track for d in timeline.dropped] == [3]
