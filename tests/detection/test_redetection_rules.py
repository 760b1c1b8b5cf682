"""Rules of redetecting, interpolating and following faces between key frames, each by an example.

The detectors are scripted: they know which faces each frame shows, and note what they are asked.
Every number is chosen just inside or just outside of a constant, so a changed constant fails.
The rules, and their numbers, are those of ``facetrack.detection.temporal.frame_detectors``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from facetrack.core.boxes import Indices
from facetrack.core.types import Faces, Float32
from facetrack.detection.temporal.between import FaceInterval, fill_between
from facetrack.detection.temporal.cascade import TemporalCascade
from facetrack.detection.temporal.follow import FollowedFace, followed, from_both_ends
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import FrameImage
from made.scripted_detectors import SETTINGS, ScriptedRedetector, box, face, faces, frames, shifted

THRESHOLD = 0.7


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
