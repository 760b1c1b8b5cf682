"""Clips that overlap share a decode, but never at the price of an idle process."""

import numpy as np

from facetrack.clips.plan.grouping import grouped
from made.clip_data import clip_of

TIMES = np.arange(3000) / 25
PIXELS = 1920 * 1080


def clips(*ranges):
    return [clip_of(TIMES, frame_range, size=(512, 512)) for frame_range in ranges]


def sets(groups):
    return sorted(tuple(sorted(group)) for group in groups)


def test_people_on_screen_together_share_the_decode():
    several = clips(*[(i * 250, i * 250 + 250) for i in range(6) for _ in range(2)])
    assert sets(grouped(several, PIXELS, 2)) == [(i, i + 1) for i in range(0, 12, 2)]


def test_few_clips_are_spread_over_the_processes():
    assert sets(grouped(clips((0, 250), (0, 250)), PIXELS, 2)) == [(0,), (1,)]
    assert sets(grouped(clips((0, 250), (0, 250)), PIXELS, 1)) == [(0, 1)]


def test_clips_apart_share_nothing():
    assert sets(grouped(clips((0, 250), (250, 500), (500, 750)), PIXELS, 1)) == [(0,), (1,), (2,)]


def test_no_process_has_too_many_encoders():
    groups = grouped(clips(*[(0, 250)] * 20), PIXELS, 1)
    assert sorted(i for group in groups for i in group) == list(range(20))
    assert max(map(len, groups)) == 8


def test_the_dearest_comes_first():
    assert grouped(clips((0, 100), (200, 900), (1000, 1300)), PIXELS, 2) == [(1,), (2,), (0,)]
