"""Damaged films of a fuzzer, each of which once made a library raise an error of its own."""

from pathlib import Path

import pytest

from facetrack.media.decode import PyavSource
from facetrack.media.sound import sound_format

FUZZ = Path(__file__).parents[3] / "shared" / "cases" / "fuzz"
FILMS = sorted(FUZZ.glob("*"))


@pytest.mark.skipif(not FILMS, reason="the damaged films are not beside this checkout")
@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_frames_count_without_gaps(film):
    with PyavSource(film) as source:
        expected = source.expected_frames(0, None)
        assert expected is None or expected >= 0
        frames = [(frame.index, frame.time_s) for frame in source.frames()]
    assert [index for index, _ in frames] == list(range(len(frames)))
    assert all(time_s >= 0 for _, time_s in frames)
    sound_format(film)
