"""Association, and which face crops are made: each rule by a case that breaks without it.

What every tracker must do is in ``tests/contract``.
"""

import weakref

import numpy as np

from facetrack.core.settings import TrackingSettings
from facetrack.detection.detector import FrameDetections
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.tracking.association import assign, costs, unclear
from facetrack.tracking.tracker import SortTracker
from made.simple_faces import AllSimilar, box, faces, frame


class WatchedImage(RgbImage):
    """Counts the face crops that are cut out of it."""

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


def test_a_crop_that_a_better_one_replaces_in_the_same_call_is_never_cut():
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(AllSimilar()))
    images = [WatchedImage(5 * i) for i in range(6)]
    tracker.update(
        [
            FrameDetections(Frame(i, i / 25, image), i == 0, growing(i))
            for i, image in enumerate(images)
        ]
    )
    tracker.update([])
    assert [image.cuts for image in images] == [0, 0, 0, 0, 0, 1]
    (track,) = tracker.finish()
    (crop,) = track.crops.values()
    assert (crop.thumbnail == 25).all()


def test_frames_are_released():
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(AllSimilar()))
    images = [WatchedImage(0) for _ in range(3)]
    tracker.update(
        [
            FrameDetections(Frame(i, i / 25, image), i == 1, growing(i))
            for i, image in enumerate(images)
        ]
    )
    alive = [weakref.ref(image) for image in images]
    del images
    assert [image() for image in alive] == [None] * 3


def test_pairs_without_rivals_have_the_least_cost_and_are_clear():
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


def test_a_continued_face_is_not_compared_with_a_lost_track():
    """A face beside it was lost; the embedder is not asked whether the one that stays is it."""
    embedder = AllSimilar()
    tracker = SortTracker(TrackingSettings(), 4, FaceEmbedder(embedder))
    for i in range(12):
        found = faces(box(50), box(65)) if i < 2 else faces(box(50))
        tracker.update([FrameDetections(frame(i), False, found)])
    assert embedder.asked == []
    assert [(t.first_frame, t.last_frame) for t in tracker.finish()] == [(0, 11), (0, 1)]
