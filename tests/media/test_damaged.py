"""Damage costs what is damaged: the rest is read, with times that rise, and no error escapes."""

import itertools
import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from facetrack.media.choosing import packets_of, video_stream
from facetrack.media.decode import PyavSource
from facetrack.media.opening import open_media
from facetrack.media.sound import sound_format
from made.media import make_video

FRAMES = 20
FINDINGS = Path(__file__).parents[1] / "made" / "findings"
"""Small files that once ended the program."""


def times_of(path):
    with PyavSource(path) as source:
        times = [frame.time_s for frame in source.frames()]
        source.expected_frames(0.0, None)
        return times


def test_a_stream_that_begins_late():
    """This transport stream names another stream after its streams were counted."""
    film = FINDINGS / "film" / "late_stream.ts"
    with open_media(film) as container:
        stream = video_stream(container, film)
        assert stream is not None
        assert [packet.size for packet in packets_of(container, stream)][-1] == 0


@pytest.mark.parametrize("written", [b"0:00:01:00.000", b"ab:00:00.80000", b"00:00:0\xff.80000",
                                     b"00:00:nan     ", b"-1:00:00.80000"])  # fmt: skip
def test_a_duration_that_is_no_time(tmp_path, written):
    """Matroska keeps it as a text."""
    film = tmp_path / "film.mkv"
    make_video(film, frames=FRAMES)
    data = film.read_bytes()
    changed, count = re.subn(rb"00:00:00\.80000", lambda _: written, data)
    assert count and len(changed) + count == len(data) + count * (len(written) - 13)
    film.write_bytes(changed)
    assert len(times_of(film)) == FRAMES


def film_with_times(tmp_path, pts):
    """Frames with presentation times in milliseconds, whatever they are."""
    film, good = tmp_path / "film.mkv", tmp_path / "good.mkv"
    make_video(good, frames=len(pts), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(good)) as source, av.open(str(film), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for i, (packet, time) in enumerate(zip(packets, pts, strict=True)):
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts, packet.dts = time, i - 1000  # decode times must rise, and are not stored
            copy.mux(packet)
    return film


@pytest.mark.parametrize("pts", [[0, 40, 40, 80], [0, 40, 30, 20, 120], [0, 0, 0, 0]])
def test_times_that_do_not_rise(tmp_path, pts):
    """The clock is later with each frame: all tables and searches rely on it."""
    film = film_with_times(tmp_path, pts)
    times = times_of(film)
    assert len(times) == len(pts)
    assert all(a < b for a, b in itertools.pairwise(times))


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


WEEK = 7 * 24 * 3600 * 1000


@pytest.mark.parametrize(("pts", "wanted"), [
    ([0, 40, WEEK, 120, 160], [0, 0.04, 0.08, 0.12, 0.16]),
    ([0, 40, WEEK + 80, WEEK + 120, WEEK + 200], [0, 0.04, 0.08, 0.12, 0.2]),
    ([WEEK, WEEK + 40, WEEK + 80], [0, 0.04, 0.08]),
    ([0, 40, 3_000_000, 3_000_040], [0, 0.04, 3000, 3000.04]),  # a slide that is shown for long
])  # fmt: skip
def test_a_time_of_another_week(tmp_path, pts, wanted):
    """Where one bit of a time is wrong, no frame is shown for a week."""
    assert times_of(film_with_times(tmp_path, pts)) == pytest.approx(wanted, abs=0.0015)
