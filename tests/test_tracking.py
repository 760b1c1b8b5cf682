"""Shots, association, identities and the queue: each rule by a case that breaks without it."""

import threading

import numpy as np
import pytest

from facetrack.media.picture import Frame, RgbPicture
from facetrack.pipeline.queues import FrameQueue, QueueClosed
from facetrack.settings import TrackingSettings
from facetrack.tracking.identities import group_tracks
from facetrack.tracking.shots import ShotDetector
from facetrack.tracking.tracker import Tracker
from facetrack.types import Faces


def picture(grey, size=(72, 128)):
    return RgbPicture(np.full((*size, 3), grey, np.uint8))


def cuts(greys):
    detector = ShotDetector()
    answers = [detector.push(picture(g)) for g in greys]
    told = [a for a in answers if a is not None] + detector.flush()
    assert len(told) == len(greys)
    return [i for i, cut in enumerate(told) if cut.starts_shot]


def test_a_hard_cut_is_found_at_its_frame():
    assert cuts([50] * 6 + [120] * 6) == [6]


def test_a_flash_is_no_cut():
    assert cuts([50] * 6 + [250] + [50] * 6) == []


def test_a_shot_of_one_frame_has_two_cuts():
    assert cuts([50] * 6 + [250] + [120] * 6) == [6, 7]


def test_a_fade_is_no_cut():
    assert cuts([50 + 9 * i for i in range(12)]) == []


def test_short_videos():
    assert cuts([50]) == []
    assert cuts([50, 200]) == [1]


def frame(index):
    return Frame(index, index / 25, picture(128, (200, 400)))


def faces(*boxes):
    n = len(boxes)
    return Faces.of_one_source(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.99, np.float32),
        np.tile(np.array([[3, 3], [7, 3], [5, 5], [3, 8], [7, 8]], np.float32), (n, 1, 1)),
        np.array(boxes, np.float32).reshape(-1, 4),
        "detected",
    )


def embed(chips):
    """Grey pictures all look alike to it: appearance decides nothing here."""
    return np.tile(np.eye(1, 512, dtype=np.float32), (len(chips), 1))


def follow(per_frame, shots=(), settings=None):
    tracker = Tracker(settings or TrackingSettings(), 4, embed)
    ended = []
    for i, found in enumerate(per_frame):
        ended += tracker.update(frame(i), found, i in shots)
    return sorted(ended + tracker.finish(), key=lambda t: t.id)


def box(x):
    return (x, 50, x + 40, 100)


def test_a_short_gap_is_bridged_with_interpolated_rows():
    seen = [faces(box(100 + 2 * i)) if i not in (4, 5, 6) else faces() for i in range(12)]
    (track,) = follow(seen)
    assert [f.frame for f in track.faces] == list(range(12))
    assert [f.source for f in track.faces][3:8] == ["detected", *["interpolated"] * 3, "detected"]
    assert track.faces[5].box[0] == pytest.approx(110, abs=0.5)
    assert track.faces[5].time_s == pytest.approx(5 / 25)


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
    ends = sorted((float(t.faces[0].box[0]), float(t.faces[-1].box[0])) for t in tracks)
    assert ends == [(50, 282), (290, 58)]


def test_people_seen_together_are_never_joined():
    vectors = np.eye(3, 512, dtype=np.float32)
    vectors[1] = vectors[0]
    together = np.zeros((3, 3), bool)
    assert group_tracks(vectors, together, 0.5) == [[0, 1], [2]]
    together[0, 1] = together[1, 0] = True
    assert group_tracks(vectors, together, 0.5) == [[0], [1], [2]]


def test_being_seen_together_is_inherited_by_the_group():
    """0 and 1 join; 2 was seen beside 1 and so stays apart, however much it looks like 0."""
    vectors = np.zeros((3, 512), np.float32)
    vectors[:, 0] = 1
    together = np.zeros((3, 3), bool)
    together[1, 2] = together[2, 1] = True
    groups = group_tracks(vectors, together, 0.5)
    assert sorted(map(len, groups)) == [1, 2]
    assert not any({1, 2} <= set(g) for g in groups)


def test_linkage_is_the_average():
    """1 is like 0 and like 2, which are unlike: the chain 0-1-2 must not become one person."""
    angle = np.radians([0, 50, 100])
    vectors = np.zeros((3, 512), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angle), np.sin(angle)
    assert len(group_tracks(vectors, np.zeros((3, 3), bool), 0.5)) == 2


def test_the_queue_is_bounded_by_frames_and_by_bytes():
    for queue in (FrameQueue(2, 10**9), FrameQueue(100, 2 * picture(0).nbytes)):
        done = threading.Event()

        def produce(queue=queue, done=done):
            for i in range(3):
                queue.put(Frame(i, 0.0, picture(0)))
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
    queue = FrameQueue(100, int(2.5 * picture(0).nbytes))
    producer = threading.Thread(
        target=lambda: ([queue.put(Frame(i, 0.0, picture(i))) for i in range(5)], queue.finish())
    )
    producer.start()
    taken = [frame.index for _ in range(4) for frame in queue.take(16)]
    producer.join(5)
    assert taken == [0, 1, 2, 3, 4] and not producer.is_alive()


def test_the_producers_error_comes_after_its_frames():
    queue = FrameQueue(8, 10**9)
    queue.put(Frame(0, 0.0, picture(0)))
    queue.finish(OSError("disk gone"))
    assert len(queue.take(8)) == 1
    with pytest.raises(OSError, match="disk gone"):
        queue.take(8)


def test_closing_wakes_a_waiting_producer():
    queue = FrameQueue(1, 10**9)
    queue.put(Frame(0, 0.0, picture(0)))
    woken = threading.Event()

    def produce():
        try:
            queue.put(Frame(1, 0.0, picture(0)))
        except QueueClosed:
            woken.set()

    thread = threading.Thread(target=produce)
    thread.start()
    queue.close()
    thread.join(5)
    assert woken.is_set()


def test_a_face_that_goes_on_is_not_looked_at_for_a_lost_one():
    """A face beside it was lost; nobody asks the recogniser whether the one that stays is it."""
    looked_at = []

    def watched(chips):
        looked_at.append(len(chips))
        return embed(chips)

    tracker = Tracker(TrackingSettings(), 4, watched)
    for i in range(12):
        tracker.update(frame(i), faces(box(50), box(65)) if i < 2 else faces(box(50)), False)
    assert looked_at == []
    assert [(t.first_frame, t.last_frame) for t in tracker.finish()] == [(0, 11), (0, 1)]
