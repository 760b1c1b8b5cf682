"""What a tracker makes of frames does not depend on how many it is given, or guesses, at once."""

from itertools import chain

import numpy as np
import pytest

from facetrack.core.boxes import iou_matrices, iou_matrix
from facetrack.core.settings import TrackingSettings
from facetrack.core.types import Faces
from facetrack.detection.frame_detections import FrameDetections
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking import runs
from facetrack.tracking.guess import Guess
from facetrack.tracking.motion import Motion, MotionHistory
from facetrack.tracking.tracker import Tracker
from made.face_films import FILMS, ByColour


def tracked(seen, settings, together):
    """All there is to know of the tracks, in the order in which they ended, and of the crops that
    were embedded on the way."""
    embedder = ByColour()
    tracker = Tracker(settings, 4, FaceEmbedder(embedder))
    ended = []
    for start in range(0, len(seen), together):
        ended += tracker.update(seen[start : start + together])
    ended.append(tracker.finish())
    for track in chain(*ended):
        frames = np.arange(track.first_frame, track.last_frame + 1)
        np.testing.assert_array_equal(track.rows["frame"], frames)
    facts = [
        [(t.id, t.rows.tobytes(), [(s, c.frame, c.pose) for s, c in t.crops.items()]) for t in over]
        for over in ended
    ]
    return facts, embedder.embedded, tracker.started


@pytest.mark.parametrize("name", FILMS)
def test_frames_may_come_one_by_one_or_together(name):
    seen, settings = FILMS[name]
    alone = tracked(seen, settings, 1)
    for together in (7, 128, len(seen)):
        assert tracked(seen, settings, together) == alone


def test_the_films_have_what_the_tracker_must_decide():
    """Appearance is asked for, tracks end in other order than they began, gaps are bridged."""
    facts, looked_at, started = tracked(*FILMS["flicker"], 128)
    ended = [id for over in facts for id, _, _ in over]
    assert len(looked_at) > 10 and sorted(ended) == [*range(1, started + 1)] != ended
    assert any(b"i\0\0\0n\0\0\0t\0\0\0e\0\0\0r" in rows for over in facts for _, rows, _ in over)


def test_real_faces_may_come_one_by_one_or_together(demo_analysis):
    table = demo_analysis.faces
    detected = np.array(table["source"]) != "interpolated"
    index = np.array(table["frame"])
    boxes = np.stack([np.array(table[name]) for name in ("x1", "y1", "x2", "y2")], axis=1)
    points = np.array(table["landmarks"].to_pylist(), np.float32).reshape(-1, 5, 2)
    scores, black = np.array(table["score"]), RgbImage(np.zeros((720, 1280, 3), np.uint8))
    starts = {shot.start_frame for shot in demo_analysis.shots}
    seen = []
    for i in range(int(index.max()) + 1):
        here = detected & (index == i)
        faces = Faces.of_one_source(boxes[here], scores[here], points[here], boxes[here], "refined")
        seen.append(FrameDetections(Frame(i, i / 25, black), i in starts, faces))
    alone = tracked(seen, TrackingSettings(), 1)
    assert alone[2] >= 8
    for together in (7, 128, len(seen)):
        assert tracked(seen, TrackingSettings(), together) == alone


@pytest.mark.parametrize("name", ["steady", "flicker"])
def test_a_wrong_guess_changes_nothing(name, monkeypatch):
    class Wrong(Guess):
        """Takes every third frame's faces for new ones."""

        def next(self, frame, boxes, before):
            return super().next(frame, boxes, before if frame % 3 else [-1] * len(before))

        def _found(self, frame, box):
            return self._begun()

    seen, settings = FILMS[name]
    right = tracked(seen, settings, 128)
    monkeypatch.setattr(runs, "Guess", Wrong)
    assert tracked(seen, settings, 128) == right


def test_a_course_is_the_motion_from_frame_to_frame():
    """As one would write it for one track and frame, to the last bit."""
    random = np.random.default_rng(1)
    frames, known, new = 64, 4, 3
    tracks = known + new
    boxes = random.uniform(0, 2000, (frames, tracks, 4)).astype(np.float32)
    boxes[:, 0] = boxes[0, 0]  # stands still
    seen = random.random((frames, tracks)) < 0.7
    seen[:9, known:] = False
    seen[9, known:] = True  # so that they are numbered in the order in which they begin
    start = Motion(
        np.array([99, 97, 99, 90]),
        random.uniform(0, 2000, (known, 4)).astype(np.float32),
        random.normal(0, 5, (known, 4)).astype(np.float32),
    )
    course = MotionHistory(start, np.arange(100, 100 + frames), *seen.nonzero(), boxes[seen])
    last = dict(enumerate(zip(start.frames.tolist(), start.boxes, start.velocities, strict=True)))
    for i in range(frames):
        for track, (frame, box, velocity) in last.items():
            ahead = np.float32(min(100 + i - frame, 3))
            np.testing.assert_array_equal(course.predicted[i, track], box + velocity * ahead)
            assert course.away[i, track] == 100 + i - 1 - frame
        for track in np.flatnonzero(seen[i]).tolist():
            box, velocity = boxes[i, track], np.zeros(4, np.float32)
            if track in last:
                frame, before, velocity = last[track]
                away = 100 + i - 1 - frame
                before = before + np.float32(away / (away + 1)) * (box - before)
                velocity = np.float32(0.5) * (velocity + (box - before))
            last[track] = 100 + i, box, velocity
        assert course.begun[i + 1].nonzero()[0].tolist() == sorted(last)
    after = course.after(frames, np.ones(tracks, bool))
    for track, (frame, box, velocity) in last.items():
        assert after.frames[track] == frame
        np.testing.assert_array_equal(after.boxes[track], box)
        np.testing.assert_array_equal(after.velocities[track], velocity)


def test_overlaps_of_many_frames_are_those_of_each():
    random = np.random.default_rng(1)
    a = random.uniform(0, 200, (9, 7, 4)).astype(np.float32)
    b = random.uniform(0, 200, (9, 5, 4)).astype(np.float32)
    b[3] = 0
    for of_frame, one, other in zip(iou_matrices(a, b), a, b, strict=True):
        np.testing.assert_array_equal(of_frame, iou_matrix(one, other))
    assert iou_matrices(a[:, :0], b).shape == (9, 0, 5)
