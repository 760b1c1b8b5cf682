"""Streams and fields on the command line: what is read is said, another is read when asked for, and
what is not there is refused in a line."""

import json

import pytest

from made.command import facetrack, one_line
from made.media import make_streams, make_unknown, make_video

SMALL, LARGE = (64, 64), (96, 96)


@pytest.fixture
def film(tmp_path):
    make_streams(tmp_path / "film.mkv", [(30, SMALL, 1), (40, LARGE, 0)], [(300, 1), (900, 0)])
    return tmp_path / "film.mkv"


def source_of(out):
    return json.loads((out / "film" / "timeline.json").read_text())["source"]


def test_several_streams_are_named(film, tmp_path):
    done = facetrack("analyze", film, "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "2 video streams: 0 (h264, 64x64, default), 1 (h264, 96x96); 0 is read" in done.stderr
    assert "2 audio streams: 2 (aac, mono, default), 3 (aac, mono); 2 is heard" in done.stderr
    source = source_of(tmp_path / "out")
    assert (source["video_stream"], source["audio_stream"], source["frame_count"]) == (0, 2, 30)


def test_other_streams_are_read_when_asked_for(film, tmp_path):
    asked = ("--video-stream", "1", "--audio-stream", "3")
    done = facetrack("run", film, "-o", tmp_path / "out", "--quiet", *asked)
    assert done.returncode == 0, done.stderr
    assert "video streams" not in done.stderr and "audio streams" not in done.stderr
    source = source_of(tmp_path / "out")
    assert (source["video_stream"], source["audio_stream"], source["width"]) == (1, 3, 96)


@pytest.mark.parametrize(
    ("option", "number", "words"),
    [
        ("--video-stream", "7", "no video stream 7; it has 0 (h264"),
        ("--video-stream", "2", "no video stream 2"),
        ("--audio-stream", "0", "no audio stream 0; it has 2 (aac"),
    ],
)
def test_what_is_not_there_is_refused(film, tmp_path, option, number, words):
    done = facetrack("analyze", film, "-o", tmp_path / "out", option, number)
    assert done.returncode == 3
    assert words in one_line(done.stderr)


def test_sound_that_nothing_decodes_is_one_line(tmp_path):
    make_streams(tmp_path / "film.mp4", [(30, SMALL, 1)], [(300, 1)])
    make_unknown(tmp_path / "film.mp4")
    done = facetrack("run", tmp_path / "film.mp4", "-o", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "cannot decode its sound" in line]
    assert len(lines) == 1 and "Traceback" not in done.stderr
    assert not source_of(tmp_path / "out")["has_audio"]


def test_an_interlaced_film_is_said_and_left_when_asked_for(tmp_path):
    make_video(tmp_path / "film.mpg", codec="mpeg2video", options={"flags": "+ildct+ilme"})
    for option, said in (("auto", True), ("off", False)):
        out = tmp_path / option
        asked = ("--deinterlace", option, "--quiet")
        done = facetrack("run", tmp_path / "film.mpg", "-o", out, *asked)
        assert done.returncode == 0, done.stderr
        assert ("is interlaced" in done.stderr) is said
        assert source_of(out)["deinterlaced"] is said
    done = facetrack("render", tmp_path / "auto/film", "--deinterlace", "never")
    assert done.returncode == 2 and "deinterlace" in one_line(done.stderr)
