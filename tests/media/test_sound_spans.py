"""The sound of a range is the one that the ffmpeg program plays then, sample by sample, in every
container; what cannot be read is silent, and said."""

import av
import numpy as np
import pytest

from facetrack.media.sound import SoundFile, sound_format, whole
from made.ffmpeg_program import lag, played
from made.media import make_sound_film

SECONDS = 6.0
RATE = 44100
PLAIN: dict[str, float] = {}
LATE, EARLY = {"sound_from_s": 1.2}, {"film_from_s": 0.8}
FILMS = [
    ("pcm_s16le", "avi", "mpeg4", PLAIN),
    ("pcm_s16le", "mov", "libx264", EARLY),
    ("pcm_s16le", "mkv", "libx264", LATE),
    ("mp3", "avi", "mpeg4", PLAIN),
    ("mp3", "flv", "libx264", LATE),
    ("mp3", "mkv", "libx264", EARLY),
    ("aac", "flv", "libx264", PLAIN),
    ("aac", "flv", "libx264", EARLY),
    ("aac", "ts", "libx264", LATE),
    ("aac", "ts", "libx264", EARLY),
    ("aac", "mkv", "libx264", LATE),
    ("aac", "mp4", "libx264", EARLY),
    ("mp2", "mpg", "mpeg2video", LATE),
    ("flac", "mkv", "libx264", EARLY),
    ("libopus", "webm", "libvpx", LATE),
    ("adpcm_ima_wav", "avi", "mpeg4", PLAIN),
]
RANGES = [(0.0, 0.4), (0.12, 0.88), (2.96, 3.6), (4.28, 5.2), (5.0, 6.0), (6.4, 7.2)]


def film_of(tmp_path, codec, suffix, video, offsets):
    path = tmp_path / f"film.{suffix}"
    # FLV's whole milliseconds are whole samples at this rate; Opus knows no other.
    rate = 48000 if codec == "libopus" or suffix == "flv" else RATE
    make_sound_film(path, codec, SECONDS, rate, "stereo", video, **offsets)
    return path


def check(path, codec, ranges=RANGES):
    """Every range, and all of them from one open file, beside what the program plays."""
    rate, layout = sound_format(path)
    heard = played(path, rate, 2)
    # What the last packet of a lossy codec is filled up with, the program may play or not.
    expected = np.pad(heard, ((0, 0), (0, 8 * rate)))
    with SoundFile(path) as file:
        for start_s, end_s in ranges:
            sound = whole(file, start_s, end_s, (rate, layout))
            first = round(start_s * rate)
            theirs = expected[:, first : first + sound.shape[1]]
            assert sound.shape == theirs.shape
            if not theirs.any():
                assert not sound[:, rate // 10 :].any()
                continue
            sound = sound[:, : heard.shape[1] - first]
            theirs = theirs[:, : heard.shape[1] - first]
            assert lag(sound[0], theirs[0]) == 0, start_s
            # AAC makes some noise up, and other noise after a seek.
            least = 0.98 if codec == "aac" else 0.9999
            assert np.corrcoef(sound[0], theirs[0])[0, 1] > least, start_s
        assert file.trouble is None


@pytest.mark.parametrize(("codec", "suffix", "video", "offsets"), FILMS)
def test_the_sound_of_exactly_that_time(tmp_path, codec, suffix, video, offsets):
    check(film_of(tmp_path, codec, suffix, video, offsets), codec)


@pytest.mark.parametrize(("name", "codec"), [("sound.avi", "mp3"), ("sound.flv", "aac")])
def test_sound_of_shared_films(shared_cases, name, codec):
    check(shared_cases / name, codec, [(0.0, 0.5), (0.2, 0.88), (1.0, 1.8)])


@pytest.mark.parametrize(
    ("codec", "suffix", "video"),
    [("mp3", "avi", "mpeg4"), ("pcm_s16le", "avi", "mpeg4"), ("aac", "mkv", "libx264")],
)
def test_a_file_without_its_index(tmp_path, codec, suffix, video):
    """The index is the last part of the file, which was cut off."""
    path = film_of(tmp_path, codec, suffix, video, PLAIN)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 5 // 6])
    check(path, codec, RANGES[:3])


@pytest.mark.parametrize(
    ("codec", "suffix", "video"),
    [("mp3", "avi", "mpeg4"), ("aac", "flv", "libx264"), ("flac", "mkv", "libx264")],
)
def test_what_cannot_be_decoded_is_said(tmp_path, codec, suffix, video):
    path = film_of(tmp_path, codec, suffix, video, PLAIN)
    with av.open(str(path)) as film:
        packets = [p for p in film.demux(audio=0) if p.size]
        bad = [(p.pos, p.size) for p in packets if 2.4 < p.pts * p.time_base < 3.6]
    data, random = bytearray(path.read_bytes()), np.random.default_rng(0)
    for at, size in bad:
        data[at + 30 : at + size] = random.bytes(max(0, size - 30))
    path.write_bytes(data)
    with SoundFile(path) as file:
        for start_s in (0.0, 4.4):
            assert np.abs(whole(file, start_s, start_s + 1, (RATE, "mono"))).mean() > 0.05
            assert file.trouble is None  # of what was asked for
        whole(file, 2.6, 3.4, (RATE, "mono"))
        assert file.trouble is not None and "cannot be decoded" in file.trouble
