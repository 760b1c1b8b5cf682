"""Each rule of detection between key frames, and each of its constants, by an example.

The detectors are scripted: they know which faces each frame shows, and note what they are asked.
Every number is chosen just inside or just outside of a constant, so a changed constant fails.
The rules are described in ``facetrack.detection.temporal.frame_detectors``.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from facetrack.core.boxes import Indices, iou_matrix
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32
from facetrack.detection.detector import RedetectingDetector
from facetrack.detection.temporal.between import FaceInterval, fill_between
from facetrack.detection.temporal.bisection import Bisection
from facetrack.detection.temporal.cascade import TemporalCascade
from facetrack.detection.temporal.follow import FollowedFace, followed, from_both_ends
from facetrack.detection.temporal.frame_detectors import KeyFrameDetector, ShotFrame
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval, Pair, same_faces
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import Frame, FrameImage, RgbImage

SIZE = 40.0
SETTINGS = DetectionSettings(detector="mtcnn")
THRESHOLD = 0.7


class NumberedImage(RgbImage):
    """A frame that says which one it is."""

    def __init__(self, number: int) -> None:
        super().__init__(np.zeros((8, 8, 3), np.uint8))
        self.number = number


def frames(count: int) -> list[Frame]:
    return [Frame(i, i / 25, NumberedImage(i)) for i in range(count)]


def box(x: float, y: float = 100.0, size: float = SIZE) -> Float32:
    return np.array([x, y, x + size, y + size], np.float32)


def shifted(iou: float) -> float:
    """How far a box of ``SIZE`` is moved sideways to overlap its old place by so much."""
    return SIZE * (1 - iou) / (1 + iou)


def face(x: float, score: float = 0.99, y: float = 100.0, size: float = SIZE) -> Observation:
    return Observation(box(x, y, size), score, np.zeros((5, 2), np.float32), box(x, y, size), "")


def faces(*observations: Observation) -> Faces:
    if not observations:
        return Faces.none()
    boxes = np.stack([o.box for o in observations])
    scores = np.array([o.score for o in observations], np.float32)
    landmarks = np.zeros((len(boxes), 5, 2), np.float32)
    return Faces.of_one_source(boxes, scores, landmarks, boxes, "detected")


class Scripted:
    """A detector that searches: ``shown`` says which faces each frame shows."""

    name = "scripted"
    smallest_batch = 1
    frames_ahead = 1

    def __init__(self, shown: Callable[[int], Sequence[Observation]] = lambda _: ()) -> None:
        self.shown = shown
        self.searches: list[list[int]] = []
        """The frames of each call."""

    @property
    def searched(self) -> list[int]:
        return sorted(number for call in self.searches for number in call)

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        numbers = [image.number for image in images]
        self.searches.append(numbers)
        return iter([faces(*self.shown(number)) for number in numbers])


class ScriptedRedetector(Scripted):
    """A detector that redetects too.

    It sees the face that the anchor overlaps most, if by ``reach``, with the face's score; else it
    gives the anchor back with score 0.
    """

    def __init__(
        self, shown: Callable[[int], Sequence[Observation]] = lambda _: (), reach: float = 0.5
    ) -> None:
        super().__init__(shown)
        self.reach = reach
        self.asked: list[tuple[int, Float32]] = []
        """Frame and anchor of each redetection."""

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        boxes, scores = anchors.copy(), np.zeros(len(anchors), np.float32)
        for i, (at, anchor) in enumerate(zip(of_image, anchors, strict=True)):
            number = images[at].number
            self.asked.append((number, anchor))
            iou = {k: iou_matrix(one.box[None], anchor[None])[0, 0]
                   for k, one in enumerate(self.shown(number))}  # fmt: skip
            best = max(iou, key=iou.__getitem__, default=None)
            if best is not None and iou[best] >= self.reach:
                boxes[i], scores[i] = self.shown(number)[best].box, self.shown(number)[best].score
        landmarks = np.zeros((len(anchors), 5, 2), np.float32)
        return Faces.of_one_source(boxes, scores, landmarks, anchors, "refined")

    @property
    def asked_frames(self) -> list[int]:
        return sorted({number for number, _ in self.asked})


def test_the_scripted_detectors_are_detectors():
    assert isinstance(ScriptedRedetector(), RedetectingDetector)
    assert not isinstance(Scripted(), RedetectingDetector)


# 1. Key frames


def searched(count: int, change: float, key_interval: int = 100, at_once: bool = True):
    """The search calls of a key frame detector over frames that change by so much each."""
    detector = ScriptedRedetector()
    keys = KeyFrameDetector(TemporalCascade(detector, SETTINGS), key_interval)
    given = []
    for frame in frames(count):
        keys.push(ShotFrame(frame, frame.index == 0, change))
        if not at_once:
            given += keys.detect(last=False)
    given += keys.detect(last=True)
    assert [one.frame.index for one in given] == list(range(count))
    assert keys.key_frames == len(detector.searched)
    return detector


@pytest.mark.parametrize(("change", "every"), [(20.0, 4), (20.02, 3), (61.0, 1), (60.0, 2)])
def test_a_key_frame_is_due_when_the_image_has_changed_by_60(change, every):
    assert searched(13, change).searched == sorted({*range(0, 13, every), 12})


def test_a_key_frame_is_due_after_the_key_interval():
    assert searched(25, 0.0, key_interval=8).searched == [0, 8, 16, 24]
    assert searched(25, 0.0, key_interval=8, at_once=False).searched == [0, 8, 16, 24]


def test_key_frames_of_a_part_are_those_of_the_whole():
    detector = ScriptedRedetector()
    keys = KeyFrameDetector(TemporalCascade(detector, SETTINGS), 8)
    for frame in frames(30)[13:]:
        keys.push(ShotFrame(frame, False, 0.0))
    given = list(keys.detect(last=True))
    assert detector.searched == [13, 16, 24, 29]
    assert [one.frame.index for one in given] == list(range(13, 30))
    assert not any(one.starts_shot for one in given)


def test_a_shot_starts_with_a_key_frame_and_the_one_before_ends_with_one():
    detector = ScriptedRedetector()
    keys = KeyFrameDetector(TemporalCascade(detector, SETTINGS), 16)
    for frame in frames(20):
        keys.push(ShotFrame(frame, frame.index in (0, 10), 0.0))
    given = list(keys.detect(last=True))
    assert detector.searched == [0, 9, 10, 16, 19]
    assert [one.frame.index for one in given if one.starts_shot] == [0, 10]


def test_eight_intervals_are_worked_on_at_once():
    calls = searched(21, 0.0, key_interval=1).searches
    assert [len(call) for call in calls] == [9, 8, 4]  # the first one has the shot's first frame


# 2. Same faces


def test_faces_that_overlap_by_0_3_are_one():
    first = faces(face(100))
    for iou, is_far in [(0.31, False), (0.29, True)]:
        assert same_faces(first, faces(face(100 + shifted(iou))), 1) == [Pair(0, 0, is_far)]


def test_a_face_moves_up_to_0_6_of_its_size_a_frame():
    first = faces(face(100))
    for frames_between in (1, 3):
        moved = 0.6 * SIZE * frames_between
        near, far = faces(face(100 + moved - 0.4)), faces(face(100 + moved + 0.4))
        assert same_faces(first, near, frames_between) == [Pair(0, 0, True)]
        assert same_faces(first, far, frames_between) == []


def test_a_face_moves_up_to_3_of_its_sizes_in_all():
    first = faces(face(100))
    assert same_faces(first, faces(face(100 + 2.98 * SIZE)), 50) == [Pair(0, 0, True)]
    assert same_faces(first, faces(face(100 + 3.02 * SIZE)), 50) == []


def test_faces_at_a_distance_are_one_only_if_their_sizes_are_similar():
    first = faces(face(100))
    for larger in (True, False):
        for log_ratio, is_one in [(0.39, True), (0.41, False)]:
            size = SIZE * np.exp(log_ratio if larger else -log_ratio)
            other = faces(face(200, y=100, size=float(size)))
            assert bool(same_faces(first, other, 50)) == is_one


def test_overlap_comes_before_nearness():
    """Two faces swap places between the key frames: each is the one that it overlaps."""
    first = faces(face(100), face(160))
    assert same_faces(first, faces(face(161), face(101)), 20) == [
        Pair(0, 1, False),
        Pair(1, 0, False),
    ]


# 3. Carry over


def carried(score: float, *found: Observation, missed: Sequence[Observation]) -> Faces:
    shown = [one._replace(score=score) for one in missed]
    cascade = TemporalCascade(ScriptedRedetector(lambda _: shown), SETTINGS)
    return cascade.carried_over(faces(*missed), 8, frames(1)[0], faces(*found))


def test_a_face_of_the_neighbour_that_is_surely_there_is_added():
    other = face(300)
    assert len(carried(0.951, other, missed=[face(100)])) == 2
    assert len(carried(0.949, other, missed=[face(100)])) == 1


def test_two_faces_that_cover_each_other_by_0_7_are_one():
    # Widths are inclusive: 41 pixels, of which 29 or 28 are shared.
    assert len(carried(0.99, missed=[face(100), face(112)])) == 1
    assert len(carried(0.99, missed=[face(100), face(113)])) == 2


def test_an_added_face_that_overlaps_one_that_was_found_by_0_3_is_none():
    """The neighbour has two faces; the second one is redetected on the face that was found."""
    first, second = face(100), face(100 + shifted(0.31))
    beside = face(100 + shifted(0.29))
    assert len(carried(0.99, first, missed=[first, second])) == 1
    assert len(carried(0.99, first, missed=[first, beside])) == 2


# 4. Bisection by search


@pytest.mark.parametrize(
    ("frames_between", "searched"), [(8, []), (9, [5]), (16, [8]), (17, [9]), (20, [10, 15])]
)
def test_ends_that_disagree_get_key_frames_between_down_to_8_frames(frames_between, searched):
    """Only the last frame shows a second face."""
    detector = ScriptedRedetector(lambda _: [face(100)])
    cascade = TemporalCascade(detector, SETTINGS)
    last = faces(face(100), face(400))
    cascade.fill([KeyFrameInterval(frames(frames_between + 1), faces(face(100)), last)])
    assert detector.searched == searched


def test_ends_that_agree_get_no_key_frame_between():
    detector = ScriptedRedetector(lambda _: [face(100)])
    cascade = TemporalCascade(detector, SETTINGS)
    (filled,) = cascade.fill([KeyFrameInterval(frames(41), faces(face(100)), faces(face(100)))])
    assert detector.searched == []
    assert [len(of_frame) for of_frame in filled] == [1] * 40


# 5. Interpolation


def between(
    frames_between: int,
    middle: Callable[[int], float] = lambda _: 100,
    last: float = 100,
    score: float = 0.99,
):
    """The frames in which one face is redetected between ``x`` of 100 and ``last``, and its x."""
    images = frames(frames_between + 1)
    detector = ScriptedRedetector(lambda number: [face(middle(number))])
    interval = FaceInterval(0, 0, frames_between, face(100, score), face(last))
    found, lost = fill_between(
        Redetector(detector, THRESHOLD), lambda _, at: images[at].image, [interval]
    )
    assert not lost
    assert sorted(at for _, at, _ in found) == list(range(1, frames_between))
    return detector.asked_frames, {at: float(one.box[0]) for _, at, one in found}


def test_a_face_on_a_straight_line_is_interpolated_over_8_frames():
    assert between(16)[0] == [8]
    assert between(17)[0] == [8, 12]
    assert between(18)[0] == [4, 9, 13]


def test_a_face_that_hardly_moves_is_interpolated_over_3_frames():
    assert between(2)[0] == []
    assert between(3)[0] == []
    assert between(4)[0] == [2]


def test_a_face_is_on_the_line_if_it_overlaps_its_place_by_0_85():
    near, far = shifted(0.86), shifted(0.84)
    assert between(8, lambda number: 100 + near * (number == 4))[0] == [4]
    assert between(8, lambda number: 100 + far * (number == 4))[0] != [4]
    assert between(3, last=100 + near)[0] == []
    assert between(3, lambda number: 100 + far * number / 3, last=100 + far)[0] != []


def test_a_face_between_is_on_the_straight_line():
    asked, x = between(8, lambda number: 100 + 2 * number, last=116)
    assert asked == [4]
    assert x == {at: pytest.approx(100 + 2 * at) for at in range(1, 8)}


def test_a_face_that_is_not_sure_is_not_interpolated():
    assert between(2, score=0.951)[0] == []
    assert between(2, score=0.949)[0] == [1]


def test_a_face_that_is_not_in_the_middle_is_followed_from_both_ends():
    """It is gone from frame 6 to frame 9 of 16."""
    gone = range(6, 10)
    detector = ScriptedRedetector(lambda number: [] if number in gone else [face(100)])
    cascade = TemporalCascade(detector, SETTINGS)
    (filled,) = cascade.fill([KeyFrameInterval(frames(17), faces(face(100)), faces(face(100)))])
    assert [i for i, of_frame in enumerate(filled, start=1) if not len(of_frame)] == list(gone)


# 6. Following


def follow(
    shown: Callable[[int], Sequence[Observation]],
    count: int = 12,
    reach: float = 0.5,
    **start: object,
):
    images = frames(count + 1)
    detector = ScriptedRedetector(shown, reach)
    chain = FollowedFace(0, face(100), 0, count, 1, **start)
    found = followed(Redetector(detector, THRESHOLD), lambda _, at: images[at].image, [chain])
    return [(at, float(one.box[0])) for _, at, one in found], detector


def test_a_face_may_be_missed_in_one_frame_and_not_in_two():
    once, _ = follow(lambda number: [] if number == 4 else [face(100)])
    assert [at for at, _ in once] == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    twice, detector = follow(lambda number: [] if number in (4, 5) else [face(100)])
    assert [at for at, _ in twice] == [1, 2, 3]
    assert detector.asked_frames == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (1, 1), (-1, -1)])
def test_a_face_of_unknown_motion_is_looked_for_0_45_of_its_size_away(direction):
    """The detector sees it only within a pixel: 0.45 sizes are 18 pixels."""
    x, y = direction

    def shown(leap: float, score: float = 0.99):
        return lambda _: [face(100 + leap * x, score, y=100 + leap * y)]

    assert [at for at, _ in follow(shown(18), reach=0.94)[0]][:1] == [1]
    for leap in (16, 20):
        assert follow(shown(leap), reach=0.94)[0] == []
    assert follow(shown(18, score=0.94), reach=0.94)[0] == []


def test_a_face_of_known_motion_is_not_looked_for_elsewhere():
    still = np.zeros(4, np.float32)
    assert follow(lambda _: [face(118)], reach=0.94, velocity=still)[0] == []


def test_a_face_is_expected_at_its_mean_velocity():
    x = {1: 110, 2: 124}
    found, detector = follow(
        lambda number: [face(x[number])] if number in x else [], count=5, reach=0.3
    )
    assert found == [(1, 110), (2, 124)]
    first = {}
    for number, anchor in detector.asked:
        first.setdefault(number, float(anchor[0]))
    # The anchor that O-Net saw last is moved by: nothing; 10; (10 + 14) / 2 = 12; 12 for two
    # frames.
    assert first == {1: 100, 2: 110, 3: 122, 4: 134}


def test_a_lost_face_is_followed_at_the_velocity_between_its_ends():
    forward, backward = from_both_ends(FaceInterval(3, 2, 10, face(100), face(116)))
    assert (forward.interval, forward.at, forward.end, forward.step) == (3, 2, 10, 1)
    assert (backward.interval, backward.at, backward.end, backward.step) == (3, 10, 2, -1)
    assert forward.expected.box.tolist() == box(102).tolist()
    assert backward.expected.box.tolist() == box(114).tolist()


# 7. Redetection


class Answers(ScriptedRedetector):
    """Gives one score for the expected place, another one for every other place."""

    def __init__(self, here: float, elsewhere: float, found: Observation) -> None:
        super().__init__()
        self.here, self.elsewhere, self.found = here, elsewhere, found

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        self.asked += [(0, anchor) for anchor in anchors]
        scores = [self.here if (a == box(100)).all() else self.elsewhere for a in anchors]
        return faces(*(self.found._replace(score=score) for score in scores))


def redetected(here: float, elsewhere: float, moved: float = 0.0, threshold: float = 0.0):
    detector = Answers(here, elsewhere, face(100 + moved))
    (found,) = Redetector(detector, threshold).redetected([frames(1)[0].image], [face(100)])
    return found, [anchor.tolist() for _, anchor in detector.asked]


def test_a_first_run_that_is_sure_is_the_only_one():
    assert len(redetected(0.951, 0.0)[1]) == 1
    assert len(redetected(0.949, 0.0)[1]) == 1 + 1 + 6


def test_further_runs_are_on_the_found_box_and_0_06_of_the_size_around_the_place():
    asked = redetected(0.5, 0.5, moved=3.0)[1]
    x1, y1, x2, y2 = 100, 100, 140, 140
    d = 2.4
    expected = [
        [x1, y1, x2, y2],
        [x1 + 3, y1, x2 + 3, y2],
        [x1 + d, y1, x2 + d, y2],
        [x1 - d, y1, x2 - d, y2],
        [x1, y1 + d, x2, y2 + d],
        [x1, y1 - d, x2, y2 - d],
        [x1 + d, y1 + d, x2 - d, y2 - d],
        [x1 - d, y1 - d, x2 + d, y2 + d],
    ]
    np.testing.assert_allclose(asked, expected, atol=1e-3)


def test_0_3_of_the_score_that_further_runs_gain_counts():
    """0.2, and 0.96 in the second run: 0.2 + 0.3 * 0.76 = 0.428; then 0.428 + 0.3 * 0.532."""
    found, _ = redetected(0.2, 0.96, moved=3.0)
    assert found.score == pytest.approx(0.5876, abs=1e-4)
    assert redetected(0.2, 0.96, moved=3.0, threshold=0.587)[0] is not None
    assert redetected(0.2, 0.96, moved=3.0, threshold=0.588)[0] is None


def test_a_redetected_box_overlaps_the_expected_one_by_0_4():
    assert redetected(0.99, 0.99, moved=shifted(0.41))[0] is not None
    assert redetected(0.99, 0.99, moved=shifted(0.39))[0] is None


# With a detector that only searches


def bisected(
    frames_between: int,
    x: Callable[[int], float] = lambda _: 100,
    first: Faces | None = None,
    last: Faces | None = None,
    score: float = 0.99,
):
    """The frames that are searched between two key frames."""
    detector = Scripted(lambda number: [face(x(number), score)])
    first = faces(face(x(0))) if first is None else first
    last = faces(face(x(frames_between))) if last is None else last
    bisection = Bisection(detector)
    (filled,) = bisection.fill([KeyFrameInterval(frames(frames_between + 1), first, last)])
    assert len(filled) == frames_between
    assert bisection.key_frames == len(detector.searched)
    return detector.searched


def test_searched_faces_on_straight_lines_are_interpolated_over_8_frames():
    assert bisected(16) == [8]
    assert bisected(18) == [5, 9, 14]


def test_searched_faces_that_hardly_move_are_interpolated_over_2_frames():
    assert bisected(1) == []
    assert bisected(2) == []
    assert bisected(3) == [2]


def test_a_searched_face_is_on_the_line_if_it_overlaps_its_place_by_0_8():
    near, far = shifted(0.81), shifted(0.79)
    assert bisected(8, lambda number: 100 + near * (number == 4)) == [4]
    assert bisected(8, lambda number: 100 + far * (number == 4)) != [4]
    assert bisected(2, lambda number: 100 + near * number / 2) == []
    assert bisected(2, lambda number: 100 + far * number / 2) == [1]


def test_a_sure_face_that_one_end_alone_shows_is_searched_frame_by_frame():
    sure = faces(face(100), face(300, 0.951))
    assert bisected(4, last=sure) == [2, 3]
    assert bisected(2, last=faces(face(100), face(300, 0.951))) == [1]
    assert bisected(2, last=faces(face(100), face(300, 0.949))) == []


def test_a_face_that_is_not_sure_need_not_be_on_the_line():
    assert bisected(8, first=faces(), last=faces(), score=0.949) == [4]
    assert bisected(8, first=faces(), last=faces(), score=0.951) != [4]
