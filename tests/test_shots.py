"""Cuts: rules by the smallest case that breaks without them, and films of each kind."""

import numpy as np

from facetrack.media.picture import Frame, RgbPicture
from facetrack.tracking.shots import ShotDetector


def judged(images, times_s=None):
    """The frames that begin a shot; the same however the frames are batched."""
    times_s = np.arange(len(images)) / 25 if times_s is None else times_s
    pairs = enumerate(zip(images, times_s, strict=True))
    frames = [Frame(i, float(time_s), RgbPicture(image)) for i, (image, time_s) in pairs]
    whole, one_by_one = ShotDetector(), ShotDetector()
    told = whole.push(frames) + whole.flush()
    assert len(told) == len(frames)
    answers = [answer for frame in frames for answer in one_by_one.push([frame])]
    assert answers + one_by_one.flush() == told
    return [i for i, answer in enumerate(told) if answer.starts_shot]


def cuts(greys):
    return judged([np.full((72, 128, 3), grey, np.uint8) for grey in greys])


def test_a_hard_cut_is_found_at_its_frame():
    assert cuts([50] * 6 + [120] * 6) == [6]


def test_a_flash_is_no_cut():
    assert cuts([50] * 6 + [250] + [50] * 6) == []


def test_a_shot_of_one_frame_has_two_cuts():
    assert cuts([50] * 6 + [250] + [120] * 6) == [6, 7]


def test_a_fade_is_no_cut():
    assert cuts([50 + 9 * i for i in range(12)]) == []


def test_short_videos():
    assert cuts([]) == []
    assert cuts([50]) == []
    assert cuts([50, 200]) == [1]
