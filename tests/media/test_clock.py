"""One strictly rising clock: films whose times begin anew, are missing, or come twice.

Each frame is of one grey, which says its number in the film.
"""

import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from facetrack.core.types import NO_CORRECTION, Join
from facetrack.media.decode import PyavSource
from facetrack.media.frame_reader import FrameReader
from facetrack.media.joins import SoundJoins
from facetrack.media.rising_times import MOST_HELD, RisingTimes
from facetrack.media.sound import SoundFile, whole
from made.media import make_video

RATE = 48000


def grey_of(number: int) -> int:
    return (number * 7) % 200 + 20


def read(film):
    """Times, greys and facts of all frames, what is said of the film, and whether it is damaged."""
    with PyavSource(film) as source:
        frames = [(f.time_s, float(f.image.rgb().mean())) for f in source.frames()]
        times_s, greys = map(list, zip(*frames, strict=True))
        return times_s, greys, source.info(), source.notes, source.damaged


def of_ffmpeg(film):
    """The times in seconds of all frames, as the ffmpeg program has them."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    call = [program, "-v", "info", "-i", film, "-vf", "showinfo", "-f", "null", "-"]
    lines = subprocess.run(call, capture_output=True, check=True).stderr.decode().splitlines()
    shown = [line.split("pts_time:")[1].split()[0] for line in lines if "pts_time:" in line]
    return [float(time_s) for time_s in shown]


def joined(tmp_path, suffix, codec, counts, **made):
    """Films one after the other, byte by byte; greys go on from one to the next."""
    film = tmp_path / f"joined.{suffix}"
    with film.open("wb") as file:
        first = 0
        for count in counts:
            part = tmp_path / f"part{first}.{suffix}"
            write(part, codec, range(first, first + count), **made)
            file.write(part.read_bytes())
            first += count
    return film


def write(path, codec, numbers, sound=False, **options):
    """25 frames/s; with sound, a tone of ``200 + 10 * number`` Hz while a frame is shown."""
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = film.add_stream("mp2", rate=RATE, layout="mono") if sound else None
        for i, number in enumerate(numbers):
            image = np.full((64, 96, 3), grey_of(number), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            film.mux(video.encode(frame))
            if audio is not None:
                at = np.arange(RATE // 25) / RATE
                tone = 0.5 * np.sin(2 * np.pi * (200 + 50 * number) * at)
                wave = (tone * 32767).astype(np.int16)[None]
                chunk = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                chunk.sample_rate, chunk.pts = RATE, i * RATE // 25
                film.mux(audio.encode(chunk))
        film.mux(video.encode(None))
        if audio is not None:
            film.mux(audio.encode(None))


JOINS = [
    ("ts", "libx264", {"bf": "0", "g": "10"}, (60, 60)),
    ("ts", "libx264", {"bf": "2", "g": "10"}, (30, 45, 20)),
    ("ts", "mpeg2video", {"bf": "2"}, (50, 40)),
    ("ts", "libx265", {"x265-params": "log-level=none:bframes=2:keyint=10"}, (40, 50)),
    ("mpg", "mpeg2video", {"bf": "0"}, (50, 40)),
]


@pytest.mark.parametrize(("suffix", "codec", "options", "counts"), JOINS)
def test_times_that_begin_anew(tmp_path, suffix, codec, options, counts):
    film = joined(tmp_path, suffix, codec, counts, **options)
    times_s, greys, info, notes, damaged = read(film)
    assert len(times_s) == sum(counts) == info.frame_count
    np.testing.assert_allclose(greys, [grey_of(i) for i in range(sum(counts))], atol=8)
    # libav gives two packets of this program stream one time, which the ffmpeg program keeps.
    of_step = 0.041 if suffix == "mpg" else 1e-3
    np.testing.assert_allclose(np.diff(times_s), 0.04, atol=of_step)
    np.testing.assert_allclose(
        times_s, np.array(of_ffmpeg(film)) - of_ffmpeg(film)[0], atol=of_step
    )
    assert min(np.diff(times_s)) > 0
    assert info.duration_s == pytest.approx(sum(counts) / 25, abs=1e-3)
    assert info.clock.corrected and len(info.clock.joins) == len(counts) - 1
    assert not damaged and len(notes) == 1 and "its container says" in notes[0]


def test_a_gap_of_a_transport_stream_is_closed(tmp_path):
    """As the ffmpeg program does where more than ten seconds are missing."""
    films = []
    for name, first in (("a", 0), ("b", 40 * 25)):
        with av.open(str(tmp_path / f"{name}.ts"), "w") as film:
            video = film.add_stream("libx264", rate=25, options={"bf": "0"})
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
            for i in range(30):
                image = np.full((64, 96, 3), grey_of(i), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = first + i, Fraction(1, 25)
                film.mux(video.encode(frame))
            film.mux(video.encode(None))
        films.append((tmp_path / f"{name}.ts").read_bytes())
    (tmp_path / "film.ts").write_bytes(b"".join(films))
    times_s, _, info, _, _ = read(tmp_path / "film.ts")
    np.testing.assert_allclose(times_s, np.arange(60) / 25, atol=1e-3)
    (join,) = info.clock.joins
    assert join.shift_s == pytest.approx(-38.8, abs=1e-3)


@pytest.mark.parametrize(("codec", "options"), [("libx264", {"bf": "2"}), ("mpeg4", {"bf": "2"})])
def test_no_presentation_times(tmp_path, codec, options):
    film = tmp_path / "film.avi"
    write(film, codec, range(50), **options)
    times_s, greys, info, _, _ = read(film)
    np.testing.assert_allclose(greys, [grey_of(i) for i in range(50)], atol=8)
    np.testing.assert_allclose(np.diff(times_s), 0.04, atol=1e-9)
    np.testing.assert_allclose(times_s, of_ffmpeg(film), atol=1e-3)
    assert info.clock.corrected and not info.clock.joins


class Said:
    """A decoded frame that says these times in milliseconds."""

    def __init__(self, pts, dts=None, duration=40):
        self.pts, self.dts, self.duration = pts, dts, duration


WILD = 900_000


@pytest.mark.parametrize(("pts", "wanted"), [
    ([0, 40, 80, 80, 160, 200], [0, 40, 80, 120, 160, 200]),
    ([0, 40, 80, 80, 80, 120], [0, 40, 80, 93.3, 106.7, 120]),
    ([0, 40, 40], [0, 40, 80]),
    ([0, 0, 0, 0], [0, 40, 80, 120]),
    ([0, 40, 30, 20, 160], [0, 40, 80, 120, 160]),
    ([0, 40, WILD, 120, 160], [0, 40, 80, 120, 160]),
    ([0, 40, 5000, 5040], [0, 40, 5000, 5040]),
    ([0, 40, 5000], [0, 40, 5000]),
    ([None, None, None], [0, 40, 80]),
    ([0, None, 80, None, 160], [0, 40, 80, 120, 160]),
    ([None, 40, 80], [0, 40, 80]),
    ([0, 40, 10**9, 120], [0, 40, 80, 120]),
])  # fmt: skip
def test_times_said_and_given(tmp_path, pts, wanted):
    """A frame whose time does not rise is put between its neighbours."""
    make_video(tmp_path / "film.mkv", frames=2)
    with PyavSource(tmp_path / "film.mkv") as source:
        times = RisingTimes(source._file)
        found = [time_s for _, time_s in times.of(map(Said, pts))]
    assert [round(1000 * time_s, 1) for time_s in found] == wanted
    assert times.corrected == (wanted != pts)


@pytest.mark.parametrize("behind", [1, 3, 40])
def test_many_times_that_lie_behind(tmp_path, behind):
    """Nothing stands still until the old time is reached, and no frame is lost."""
    make_video(tmp_path / "film.mkv", frames=2)
    pts = [*range(0, 4000, 40), *range(4000 - 1000 * behind, 8000, 40)]
    with PyavSource(tmp_path / "film.mkv") as source:
        found = [time_s for _, time_s in RisingTimes(source._file).of(map(Said, pts))]
    steps = np.diff(found)
    assert len(found) == len(pts)
    assert steps.min() > 0 and steps.max() < 1.5
    assert np.median(steps[: 100 + 2 * MOST_HELD]) == pytest.approx(0.04)


def with_repeated_times(path):
    """A long film in which some packets have the time of the one before."""
    write(path / "good.mkv", "libx264", range(600), bf="0", g="50")
    with av.open(str(path / "good.mkv")) as source, av.open(str(path / "film.mkv"), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for i, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            packet.pts = packet.dts = 40 * i - (40 if i in (20, 21, 57, 400, 550) else 0)
            packet.time_base = Fraction(1, 1000)
            packet.dts = i  # decode times must rise, and are not stored
            copy.mux(packet)


FILMS = {
    "repeated": with_repeated_times,
    "joined": lambda path: joined(path, "ts", "libx264", (50, 60), bf="2", g="10"),
    "untimed": lambda path: write(path / "film.avi", "libx264", range(60), bf="2"),
    "raw": lambda path: write(path / "film.h264", "libx264", range(60), bf="2"),
    "steady": lambda path: write(path / "film.mp4", "libx264", range(60), bf="2", g="10"),
}


@pytest.mark.parametrize("kind", FILMS)
def test_frames_are_found_again(tmp_path, kind):
    """By number and time, whatever times the file holds."""
    film = FILMS[kind](tmp_path) or next(tmp_path.glob("film.*"))
    times_s, greys, info, _, _ = read(film)
    assert info.clock.corrected == (kind != "steady")
    assert info.clock.local == (kind == "repeated")
    last = len(greys) - 1
    for wanted in ([0], [3, 20, 21, 40], [last], list(range(last - 9, last + 1)), [9, last - 50]):
        with FrameReader.open(film, clock=info.clock) as reader:
            for _ in range(2):
                numbers = np.array(wanted, np.int32)
                found = list(reader.frames(numbers, np.array(times_s)[numbers]))
                assert [(f.number, f.found) for f in found] == [(n, True) for n in wanted]
                means = [f.frame.to_ndarray(format="rgb24").mean() for f in found]
                np.testing.assert_allclose(means, np.array(greys)[numbers], atol=2)
            one = reader.frame_at(times_s[wanted[-1]])
            assert one is not None
            assert one.to_ndarray(format="rgb24").mean() == pytest.approx(greys[wanted[-1]], abs=2)


def test_a_part_of_a_film_that_may_begin_anew(tmp_path):
    """What was not read may have the same times."""
    film = joined(tmp_path, "ts", "libx264", (50, 60), bf="0", g="10")
    with PyavSource(film) as source:
        times_s = [f.time_s for f in source.frames(0.4, 0.2)]
        clock = source.info().clock
    with FrameReader.open(film, clock=clock) as reader:
        (read_again,) = reader.frames(np.array([12], np.int32), np.array(times_s[2:3]))
    assert read_again.found
    assert read_again.frame.to_ndarray(format="rgb24").mean() == pytest.approx(grey_of(12), abs=4)


def test_a_film_without_joins_has_no_correction(tmp_path):
    write(tmp_path / "film.ts", "libx264", range(30), bf="2")
    *_, info, notes, damaged = read(tmp_path / "film.ts")
    assert info.clock == NO_CORRECTION and not notes and not damaged


def pitch(samples):
    """Of the loudest tone in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 15))
    return np.argmax(spectrum) * RATE / (1 << 15)


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video")])
def test_sound_follows_the_joins(tmp_path, suffix, codec):
    """Each frame has its own tone, which is heard while the frame is shown."""
    film = joined(tmp_path, suffix, codec, (50, 45, 30), sound=True, bf="0")
    times_s, _, info, _, _ = read(film)
    assert len(times_s) == 125
    for number in (5, 30, 55, 80, 100, 120):
        start_s = times_s[number]
        with SoundFile(film, joins=info.clock.joins) as sound:
            heard = whole(sound, start_s, start_s + 0.04, (RATE, "mono"))[0]
        assert heard.shape == (1920,)
        assert pitch(heard) == pytest.approx(200 + 50 * number, abs=60), number


def test_sound_that_jumps_before_or_after_the_picture():
    joins = SoundJoins([Join(2.0, 2.0), Join(4.0, 4.1)])
    said = [0.0, 0.9, 1.8, 0.6, 1.5, 0.2, 1.1]
    assert [round(joins.film_s(s, 0.9), 3) for s in said] == [0.0, 0.9, 1.8, 2.6, 3.5, 4.3, 5.2]


def test_sound_of_a_film_without_joins_keeps_its_times():
    joins = SoundJoins([])
    assert [joins.film_s(s, 0.02) for s in (0.0, 5.0, 1.0)] == [0.0, 5.0, 1.0]


def test_another_size_in_a_transport_stream_is_no_damage(tmp_path):
    """Its packets are counted anew there, while the times go on."""
    parts = []
    for first, (width, height) in ((0, (96, 64)), (30, (160, 90))):
        with av.open(str(tmp_path / "part.ts"), "w") as film:
            video = film.add_stream("libx264", rate=25, options={"bf": "0", "g": "30"})
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            for i in range(first, first + 30):
                image = np.full((height, width, 3), grey_of(i), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                film.mux(video.encode(frame))
            film.mux(video.encode(None))
        parts.append((tmp_path / "part.ts").read_bytes())
    (tmp_path / "film.ts").write_bytes(b"".join(parts))
    times_s, greys, _, notes, damaged = read(tmp_path / "film.ts")
    np.testing.assert_allclose(np.diff(times_s), 0.04, atol=1e-3)
    np.testing.assert_allclose(greys, [grey_of(i) for i in range(60)], atol=8)
    assert not damaged and not notes
