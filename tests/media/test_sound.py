"""Sound of a time range: the right track, every sample, nothing made up."""

import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from facetrack.media.sound import read_sound, sample_counts, sound_format
from made.media import make_video

RATE = 48000


def tone(rate, seconds, hertz=440.0, level=0.5):
    return (level * np.sin(np.arange(round(rate * seconds)) * 2 * np.pi * hertz / rate)).astype(
        np.float32
    )


def write_wav(path, samples, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def write_tracks(path, tracks, default=None, codec="pcm_s16le", step=1000, gap=None):
    """Mono sound tracks beside a small film; ``default`` is the one marked so; ``gap`` seconds
    ``(from, to)`` are missing in all."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25)
        video.width = video.height = 64
        streams = [film.add_stream(codec, rate=RATE, layout="mono") for _ in tracks]
        for i, stream in enumerate(streams):
            if default is not None:
                stream.disposition = 1 if i == default else 0
        for i in range(round(len(tracks[0]) / RATE * 25)):
            image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))
            image.pts, image.time_base = i, Fraction(1, 25)
            film.mux(video.encode(image))
        film.mux(video.encode(None))
        for stream, samples in zip(streams, tracks, strict=True):
            for at in range(0, len(samples), step):
                if gap and gap[0] <= at / RATE < gap[1]:
                    continue
                part = (samples[None, at : at + step] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
                film.mux(stream.encode(frame))
            film.mux(stream.encode(None))


def test_a_span_is_cut_to_the_sample(tmp_path):
    make_video(tmp_path / "film.mp4", frames=75, beeps=True)
    sound = read_sound(tmp_path / "film.mp4", 0.3, 1.7, (RATE, "mono"))
    assert sound.shape == (1, round(1.4 * RATE))
    loud = np.flatnonzero(np.abs(sound[0]) > 0.3)
    assert loud[0] / RATE == pytest.approx(0.1, abs=0.003)
    beyond = read_sound(tmp_path / "film.mp4", 2.5, 4.5, (RATE, "stereo"))
    assert beyond.shape == (2, 2 * RATE)
    assert np.abs(beyond[:, -RATE:]).max() == 0


def test_every_sample_is_the_recorded_one(tmp_path):
    """Matroska's times are whole milliseconds: the samples of a packet do not lie there."""
    played = tone(RATE, 2.0)
    write_tracks(tmp_path / "film.mkv", [played], step=1001)
    sound = read_sound(tmp_path / "film.mkv", 0.1234, 1.8, (RATE, "mono"))
    first = round(0.1234 * RATE)
    expected = played[first : first + sound.shape[1]]
    np.testing.assert_allclose(sound[0], expected, atol=1e-3)


@pytest.mark.parametrize("rate", [22050, 44100, 96000])
def test_resampled_sound_goes_on_to_its_last_sample(tmp_path, rate):
    write_wav(tmp_path / "tone.wav", tone(rate, 1.0, 1000.0), rate)
    sound = read_sound(tmp_path / "tone.wav", 0.0, 1.0, (RATE, "mono"))[0]
    expected = tone(RATE, 1.0, 1000.0)
    np.testing.assert_allclose(sound[200:-200], expected[200:-200], atol=5e-3)
    assert np.abs(sound[-60:-10]).max() > 0.4


def test_the_default_track_is_the_one_heard(tmp_path):
    tracks = [tone(RATE, 1.0, 300.0), tone(RATE, 1.0, 900.0)]
    write_tracks(tmp_path / "film.mkv", tracks, default=1)
    sound = read_sound(tmp_path / "film.mkv", 0.0, 1.0, (RATE, "mono"))[0]
    assert np.abs(np.fft.rfft(sound)).argmax() == 900


def test_a_gap_in_the_sound_stays_where_it_is(tmp_path):
    write_tracks(tmp_path / "film.mkv", [tone(RATE, 2.0)], gap=(0.5, 1.0))
    sound = read_sound(tmp_path / "film.mkv", 0.0, 2.0, (RATE, "mono"))[0]
    loud = np.abs(sound) > 0.05
    assert loud[: RATE // 2].mean() > 0.8
    assert not loud[RATE // 2 + 100 : RATE - 100].any()
    assert loud[RATE + 100 :].mean() > 0.8


def test_no_sound(tmp_path):
    make_video(tmp_path / "film.mp4")
    assert sound_format(tmp_path / "film.mp4") is None
    silent = read_sound(tmp_path / "film.mp4", 0.0, 0.5, (RATE, "stereo"))
    assert silent.shape == (2, RATE // 2)
    assert not silent.any()


def test_counts_of_many_spans_do_not_drift():
    seconds = [Fraction(1001, 30000) * 7] * 1000
    whole_s = float(sum(seconds))
    counts = sample_counts([float(s) for s in seconds], whole_s, 44100)
    assert sum(counts) == round(whole_s * 44100)
    drift = np.cumsum(counts) - np.cumsum([float(s) for s in seconds]) * 44100
    assert np.abs(drift).max() <= 0.5 + 1e-6
    assert sample_counts([10.0], 10.0, RATE) == [480000]
