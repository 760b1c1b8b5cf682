"""Association, identities and the queue: each rule by a case that breaks without it."""

import threading
import weakref

import numpy as np
import pytest

from facetrack.core.frame_range import union
from facetrack.core.settings import IdentitySettings, TrackingSettings
from facetrack.core.types import Faces
from facetrack.detection.frame_detections import FrameDetections
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.recognition.calibration import FACENET, Evidence
from facetrack.recognition.embedder import CropSpec
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.recognition.quality import pose_quality
from facetrack.recognition.track_embedding import TrackEmbedding
from facetrack.runtime.queues import FrameQueue, QueueClosed
from facetrack.tracking.association import assign, costs, unclear
from facetrack.tracking.track_embeddings import TrackEmbeddings
from facetrack.tracking.tracker import SortTracker


def image(grey, size=(72, 128)):
    return RgbImage(np.full((*size, 3), grey, np.uint8))


def frame(index):
    return Frame(index, index / 25, image(128, (200, 400)))


def faces(*boxes):
    n = len(boxes)
    return Faces.of_one_source(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.99, np.float32),
        np.tile(np.array([[3, 3], [7, 3], [5, 5], [3, 8], [7, 8]], np.float32), (n, 1, 1)),
        np.array(boxes, np.float32).reshape(-1, 4),
        "detected",
    )


class AllAlike:
    """Implements ``Embedder``. Grey frames all look alike to it: appearance decides nothing."""

    name, crop, dim, calibration = "all-alike", CropSpec(160, False), 512, FACENET

    def __init__(self):
        self.asked = []

    def embed(self, crops):
        self.asked.append(len(crops))
        return np.tile(np.eye(1, 512, dtype=np.float32), (len(crops), 1))


def follow(per_frame, shots=(), settings=None):
    tracker = SortTracker(settings or TrackingSettings(), 4, FaceEmbedder(AllAlike()))
    seen = [FrameDetections(frame(i), i in shots, found) for i, found in enumerate(per_frame)]
    ended = [
        track for part in (seen[:3], seen[3:]) for over in tracker.update(part) for track in over
    ]
    return sorted(ended + tracker.finish(), key=lambda t: t.id)


def box(x):
    return (x, 50, x + 40, 100)


def test_a_short_gap_is_bridged_with_interpolated_rows():
    seen = [faces(box(100 + 2 * i)) if i not in (4, 5, 6) else faces() for i in range(12)]
    (track,) = follow(seen)
    rows = track.rows
    assert rows["frame"].tolist() == list(range(12))
    assert rows["source"][3:8].tolist() == ["detected", *["interpolated"] * 3, "detected"]
    assert rows["box"][5, 0] == pytest.approx(110, abs=0.5)
    assert rows["time_s"][5] == pytest.approx(5 / 25)
    assert np.flatnonzero(~track.seen).tolist() == [4, 5, 6]


def test_a_long_gap_ends_the_track():
    seen = [faces(box(100)) if i < 5 or i > 20 else faces() for i in range(25)]
    assert [(t.first_frame, t.last_frame) for t in follow(seen)] == [(0, 4), (21, 24)]


def test_no_track_crosses_a_cut():
    tracks = follow([faces(box(100))] * 10, shots={6})
    assert [(t.first_frame, t.last_frame) for t in tracks] == [(0, 5), (6, 9)]


def test_people_who_pass_each_other_keep_their_tracks():
    """Two faces on crossing ways, found in another order every frame."""
    ways = [(50 + 8 * i, 290 - 8 * i) for i in range(30)]
    seen = [faces(*[box(x) for x in (way if i % 2 else way[::-1])]) for i, way in enumerate(ways)]
    tracks = follow(seen)
    assert len(tracks) == 2
    ends = sorted((float(t.rows["box"][0, 0]), float(t.rows["box"][-1, 0])) for t in tracks)
    assert ends == [(50, 282), (290, 58)]


class WatchedPicture(RgbImage):
    """Says what was cut out of it."""

    def __init__(self, grey):
        super().__init__(np.full((400, 800, 3), grey, np.uint8))
        self.cuts = 0

    def cut(self, *corners):
        self.cuts += 1
        return super().cut(*corners)


def growing(i):
    """A face whose pose gets better by a fifth from frame to frame."""
    side = 30 * 1.2**i
    return faces((400 - side / 2, 200 - side / 2, 400 + side / 2, 200 + side / 2))


def test_a_crop_that_gives_way_before_its_frame_is_let_go_is_never_cut():
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(AllAlike()))
    images = [WatchedPicture(5 * i) for i in range(6)]
    tracker.update(
        [FrameDetections(Frame(i, i / 25, p), i == 0, growing(i)) for i, p in enumerate(images)]
    )
    tracker.update([])
    assert [p.cuts for p in images] == [0, 0, 0, 0, 0, 1]
    (track,) = tracker.finish()
    assert (track.best_crop.thumbnail == 25).all()


def test_frames_are_let_go():
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(AllAlike()))
    images = [WatchedPicture(0) for _ in range(3)]
    tracker.update(
        [FrameDetections(Frame(i, i / 25, p), i == 1, growing(i)) for i, p in enumerate(images)]
    )
    alive = [weakref.ref(p) for p in images]
    del images
    assert [p() for p in alive] == [None] * 3


def test_pairs_that_have_no_rivals_are_the_cheapest_ones_and_clear():
    random = np.random.default_rng(1)
    settled = 0
    for _ in range(500):
        possible = random.random(random.integers(0, 7, 2)) < 0.25
        if possible.sum(0).max(initial=0) < 2 and possible.sum(1).max(initial=0) < 2:
            settled += 1
            cost = costs(random.random(possible.shape), possible)
            np.testing.assert_array_equal(possible.nonzero(), assign(cost))
            assert not unclear(cost, possible, np.zeros(len(cost), np.int64)).any()
    assert settled > 50


def test_the_pose_of_each_face_is_judged_for_itself():
    found = faces(box(0), box(0), box(0), (0, 0, 200, 240))
    points = found.landmarks.copy()
    points[1, 2] = points[1, 0]  # the nose before an eye
    points[2, 1] = points[2, 0]  # one eye behind the other
    half = 50 / 120
    expected = [half * 0.99, half * 0.25 * 0.99, half * 0.25 * 0.99, 0.99]
    np.testing.assert_allclose(pose_quality(found.boxes, points, found.scores), expected, rtol=1e-6)


def embedding_of(vector):
    return TrackEmbedding(vector, Evidence.none())


def test_tracks_are_together_where_both_were_detected():
    """The third is there only while the second is lost; the fourth comes after all."""
    first, second, third, fourth = box(50), box(150), box(250), box(350)
    seen = [faces(first, second)] * 3 + [faces(first, third)] * 3 + [faces(first, second)] * 3
    tracks = follow([*seen, *[faces(fourth)] * 3], settings=TrackingSettings(max_gap=5))
    assert [(t.first_frame, t.last_frame) for t in tracks] == [(0, 8), (0, 8), (3, 5), (9, 11)]
    known = TrackEmbeddings(512)
    for i, track in enumerate(tracks):
        known.put(track, embedding_of(np.eye(1, 512, i, dtype=np.float32)[0]))
    known.put(tracks[3], embedding_of(np.eye(1, 512, 0, dtype=np.float32)[0]))
    pairs = {(0, 1), (0, 2)}
    assert {(int(a), int(b)) for a, b in np.argwhere(known.together().toarray()) if a < b} == pairs
    together = known.together().toarray()
    np.testing.assert_array_equal(together, together.T)
    place, may = known.rivals(tracks[0])
    assert (place, may.tolist()) == (0, [3])
    np.testing.assert_array_equal(known.embeddings[3], known.embeddings[0])
    assert list(known.by_id()) == [1, 2, 3, 4]


def test_many_tracks_are_known():
    (track,), known = follow([faces(box(50))] * 2), TrackEmbeddings(512)
    vectors = np.random.default_rng(1).random((200, 512)).astype(np.float32)
    for i, vector in enumerate(vectors):
        track.id = i
        known.put(track, embedding_of(vector))
    np.testing.assert_array_equal(known.embeddings, vectors)
    assert known.together().sum() == 200 * 199


def test_stretches_that_touch_become_one():
    assert union([(5, 9), (0, 3), (3, 4), (6, 7), (12, 13)]) == [(0, 4), (5, 9), (12, 13)]


def test_faces_are_rows_by_frame_then_track():
    settings = TrackingSettings(min_frames=2)
    generator = IdTimelineGenerator(FaceEmbedder(AllAlike()), settings, IdentitySettings())
    seen = [faces(box(50), box(150)), faces(box(50), box(150)), faces(box(50)), faces(box(250))]
    tracker = SortTracker(settings, 4, FaceEmbedder(AllAlike()))
    for i, found in enumerate(seen):
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


def test_the_queue_is_bounded_by_frames_and_by_bytes():
    for queue in (FrameQueue(2, 10**9), FrameQueue(100, 2 * image(0).nbytes)):
        done = threading.Event()

        def produce(queue=queue, done=done):
            for i in range(3):
                queue.put(Frame(i, 0.0, image(0)))
            done.set()
            queue.finish()

        thread = threading.Thread(target=produce)
        thread.start()
        assert not done.wait(0.2)
        assert len(queue) == 2
        assert [f.index for f in queue.take(1)] == [0]
        assert done.wait(5)
        assert [f.index for f in queue.take(8)] == [1, 2]
        assert queue.take(8) == []
        thread.join()


def test_a_queue_full_of_bytes_gives_what_it_has():
    """The consumer asks for more frames than bytes allow; neither waits for the other for ever."""
    queue = FrameQueue(100, int(2.5 * image(0).nbytes))
    producer = threading.Thread(
        target=lambda: ([queue.put(Frame(i, 0.0, image(i))) for i in range(5)], queue.finish())
    )
    producer.start()
    taken = [frame.index for _ in range(4) for frame in queue.take(16)]
    producer.join(5)
    assert taken == [0, 1, 2, 3, 4] and not producer.is_alive()


def test_the_producers_error_comes_after_its_frames():
    queue = FrameQueue(8, 10**9)
    queue.put(Frame(0, 0.0, image(0)))
    queue.finish(OSError("disk gone"))
    assert len(queue.take(8)) == 1
    with pytest.raises(OSError, match="disk gone"):
        queue.take(8)


def test_closing_wakes_a_waiting_producer():
    queue = FrameQueue(1, 10**9)
    queue.put(Frame(0, 0.0, image(0)))
    woken = threading.Event()

    def produce():
        try:
            queue.put(Frame(1, 0.0, image(0)))
        except QueueClosed:
            woken.set()

    thread = threading.Thread(target=produce)
    thread.start()
    queue.close()
    thread.join(5)
    assert woken.is_set()


def test_a_face_that_goes_on_is_not_looked_at_for_a_lost_one():
    """A face beside it was lost; nobody asks the recogniser whether the one that stays is it."""
    embedder = AllAlike()
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(embedder))
    for i in range(12):
        found = faces(box(50), box(65)) if i < 2 else faces(box(50))
        tracker.update([FrameDetections(frame(i), False, found)])
    assert embedder.asked == []
    assert [(t.first_frame, t.last_frame) for t in tracker.finish()] == [(0, 11), (0, 1)]
