"""Rules of key frames and of the frames between them that are searched, each by an example.

The detectors are scripted: they know which faces each frame shows, and note what they are asked.
Every number is chosen just inside or just outside of a constant, so a changed constant fails.
The rules, and their numbers, are those of ``facetrack.detection.temporal.frame_detectors``.
"""

from collections.abc import Callable

import numpy as np
import pytest

from facetrack.core.types import Faces
from facetrack.detection.detector import RedetectingDetector
from facetrack.detection.temporal.bisection import Bisection
from facetrack.detection.temporal.cascade import TemporalCascade
from facetrack.detection.temporal.frame_detectors import KeyFrameDetector, ShotFrame
from facetrack.detection.temporal.key_frame_interval import KeyFrameInterval, Pair, same_faces
from made.scripted_detectors import (
    SETTINGS,
    SIZE,
    Scripted,
    ScriptedRedetector,
    face,
    faces,
    frames,
    shifted,
)


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
