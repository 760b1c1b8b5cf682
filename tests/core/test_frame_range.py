"""Ranges of frames."""

from facetrack.core.frame_range import union


def test_ranges_that_touch_become_one():
    assert union([(5, 9), (0, 3), (3, 4), (6, 7), (12, 13)]) == [(0, 4), (5, 9), (12, 13)]
