"""The best streams are read, by every part alike; others are named, and read when asked for."""

import numpy as np
import pytest

from facetrack.core.errors import InputError
from facetrack.core.types import BEST_STREAMS, StreamChoice
from facetrack.media.decode import PyavSource
from facetrack.media.frame_reader import FrameReader
from facetrack.media.sound import SoundFile, sound_format, whole
from made.media import RATE, make_streams, make_unknown

SMALL, LARGE = (64, 64), (128, 96)
COVER = 1024
FILM_AFTER_OTHERS = {
    "a plain cover": [(1, LARGE, 0), (50, SMALL, 0)],
    "a cover that is the default": [(1, LARGE, 1), (50, SMALL, 0)],
    "a marked cover": [(1, LARGE, COVER), (50, SMALL, 0)],
    "an unmarked film": [(50, LARGE, 0), (50, SMALL, 1)],
    "a smaller film": [(50, SMALL, 1), (50, LARGE, 1)],
    "a few pictures": [(3, LARGE, 1), (50, SMALL, 0)],
}


def read(path, streams=BEST_STREAMS):
    """Number of frames, grey of the first, facts and notes; the clips' reader gets the same."""
    with PyavSource(path, streams) as source:
        frames = list(source.frames())
        info = source.info()
        notes = list(source.notes)
        assert not source.damaged
    grey = float(frames[0].image.rgb().mean())
    with FrameReader.open(path, info.streams) as reader:
        assert reader.stream.index == info.video_stream
        (again,) = reader.frames(np.zeros(1, np.int32), np.zeros(1))
        assert again.frame.to_ndarray(format="rgb24").mean() == pytest.approx(grey, abs=2)
    return len(frames), grey, info, notes


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("kind", FILM_AFTER_OTHERS)
def test_the_film_is_read_not_what_lies_before_it(tmp_path, kind, suffix):
    path = tmp_path / f"film.{suffix}"
    if kind == "a marked cover" and suffix != "mkv":
        pytest.skip("libav's muxer marks only covers of JPEG or PNG")
    make_streams(path, FILM_AFTER_OTHERS[kind])
    count, grey, info, notes = read(path)
    assert (count, info.video_stream) == (50, 1)
    assert grey == pytest.approx(110, abs=3)
    if kind in ("an unmarked film", "a smaller film"):
        (note,) = notes
        assert "2 video streams" in note and "--video-stream" in note
        assert "0 (h264" in note and "1 is read" in note
    else:
        assert not [note for note in notes if "0 (h264" in note] or kind == "a few pictures"


def test_a_picture_alone_is_read_as_it_was(tmp_path):
    make_streams(tmp_path / "film.mkv", [(1, SMALL, 0)])
    assert read(tmp_path / "film.mkv")[0] == 1


def test_another_film_is_read_when_it_is_asked_for(tmp_path):
    make_streams(tmp_path / "film.mp4", [(50, LARGE, 1), (40, SMALL, 0)], [(440, 1)])
    count, grey, info, notes = read(tmp_path / "film.mp4", StreamChoice(1))
    assert (count, info.video_stream, info.audio_stream, notes) == (40, 1, 2, [])
    assert (info.width, info.height) == SMALL
    assert grey == pytest.approx(110, abs=3)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        (StreamChoice(7), r"no video stream 7; it has 0 \(h264, 64x64"),
        (StreamChoice(1), "no video stream 1"),
        (StreamChoice(0, 0), r"no audio stream 0; it has 1 \(aac, mono"),
    ],
)
def test_a_stream_that_is_not_there_is_refused(tmp_path, streams, words):
    make_streams(tmp_path / "film.mp4", [(10, SMALL, 1)], [(440, 1)])
    with pytest.raises(InputError, match=words):
        PyavSource(tmp_path / "film.mp4", streams)


def heard(path, streams=BEST_STREAMS):
    """Frequency in Hz of the first second."""
    with SoundFile(path, streams) as file:
        sound = whole(file, 0.25, 1.25, (RATE, "mono"))[0]
    return int(np.abs(np.fft.rfft(sound)).argmax())


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_nothing_decodes_is_passed_over(tmp_path, suffix):
    path = tmp_path / f"film.{suffix}"
    make_streams(path, [(50, SMALL, 1)], [(300, 1), (900, 0)])
    make_unknown(path)
    assert heard(path) == 900
    _, _, info, notes = read(path)
    assert (info.has_audio, info.audio_stream, notes) == (True, 2, [])
    with pytest.raises(InputError, match="cannot decode audio stream 1"):
        PyavSource(path, StreamChoice(None, 1))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_whose_sound_nothing_decodes_has_none(tmp_path, suffix):
    path = tmp_path / f"film.{suffix}"
    make_streams(path, [(50, SMALL, 1)], [(300, 1)])
    make_unknown(path)
    _, _, info, (note,) = read(path)
    assert (info.has_audio, info.audio_stream) == (False, None)
    assert "cannot decode its sound, stream 1 (unknown codec" in note
    assert sound_format(path) is None


def test_the_best_of_those_that_can_be_decoded(tmp_path):
    make_streams(tmp_path / "film.mkv", [(50, SMALL, 1)], [(300, 1), (600, 0), (900, 1)])
    make_unknown(tmp_path / "film.mkv")
    assert heard(tmp_path / "film.mkv") == 900
    assert heard(tmp_path / "film.mkv", StreamChoice(None, 2)) == 600
    (note,) = read(tmp_path / "film.mkv")[3]
    assert "2 audio streams" in note and "3 is heard in clips" in note
