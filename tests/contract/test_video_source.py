"""What every ``VideoSource`` guarantees: PyAV's, NVDEC's where there is a GPU, and the fake.

A film is described once, as stored frames of one grey each, and every implementation opens it.
"""

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from facetrack.core.errors import InputError
from facetrack.media.decode import PyavSource
from facetrack.media.source import VideoSource, open_source
from facetrack.testing import FakeVideoSource

SIZE = (320, 180)
"""Width and height; NVDEC decodes nothing much smaller."""
GREY_STEP = 6
KEY_EVERY = 10


@dataclass
class Film:
    """Frame ``i`` is all of grey ``20 + GREY_STEP * i``, but for a white left half if rotated."""

    times_ms: list[int]
    sizes: list[tuple[int, int]] = field(default_factory=lambda: [SIZE])
    """Width and height of equal shares of the frames."""
    rotation: int = 0

    def images(self) -> list[np.ndarray]:
        count = len(self.times_ms)
        each = -(-count // len(self.sizes))
        made = []
        for i in range(count):
            width, height = self.sizes[i // each]
            image = np.full((height, width, 3), 20 + GREY_STEP * i % 210, np.uint8)
            if self.rotation:
                image[:, : width // 2] = 255
            made.append(image)
        return made


STEADY = Film([40 * i for i in range(30)])
VARIABLE = Film([0, 40, 50, 200, 210, 500, 540, 560, 900, 1000])
SIZES = Film([40 * i for i in range(30)], sizes=[SIZE, (640, 360), SIZE])
ROTATED = Film([40 * i for i in range(12)], rotation=270)


def write(film: Film, path: Path) -> Path:
    """H.264 in mp4; in a transport stream, with a new encoder for each size, where sizes change."""
    several = len(film.sizes) > 1
    path = path.with_suffix(".ts" if several else ".mp4")
    images, base = film.images(), Fraction(1, 1000)
    each = len(images) // len(film.sizes)
    options = {"crf": "10", "g": str(KEY_EVERY), "bf": "0", "sc_threshold": "0"}
    with av.open(str(path), "w", format="mpegts" if several else "mp4") as container:
        video = container.add_stream("libx264", rate=25, options=options)
        (video.width, video.height), video.pix_fmt = film.sizes[0], "yuv420p"
        video.time_base = video.codec_context.time_base = base
        for number, (width, height) in enumerate(film.sizes):
            encoder = video.codec_context
            if several:
                encoder = av.CodecContext.create("libx264", "w")
                encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
                encoder.time_base, encoder.framerate = base, Fraction(25)
                encoder.options = options
            frames = []
            for i in range(number * each, (number + 1) * each):
                frame = av.VideoFrame.from_ndarray(images[i], format="rgb24")
                frames.append(frame.reformat(format="yuv420p"))
                frames[-1].pts, frames[-1].time_base = film.times_ms[i], base
            for frame in (*frames, None):
                for packet in encoder.encode(frame):
                    packet.stream = video
                    container.mux(packet)
    if film.rotation:
        rotate(path)
    return path


def rotate(path: Path) -> None:
    """Marks an mp4 as turned clockwise by a quarter (ISO 14496-12, the matrix of ``tkhd``)."""
    one, nought = b"\x00\x01\x00\x00", b"\x00\x00\x00\x00"
    end = b"\x40\x00\x00\x00"
    identity = one + nought * 3 + one + nought * 3 + end
    quarter = nought + one + nought + b"\xff\xff\x00\x00" + nought * 4 + end
    data = path.read_bytes()
    at = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:at] + quarter + data[at + 36 :])


def has_nvdec() -> bool:
    try:
        import PyNvVideoCodec  # noqa: F401
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


NO_GPU = pytest.mark.skipif(not has_nvdec(), reason="no GPU with PyNvVideoCodec on this machine")


@pytest.fixture(params=["pyav", pytest.param("nvdec", marks=NO_GPU), "fake"])
def opened(request, tmp_path):
    """Opens a film with one of the implementations."""
    sources = []

    def open_film(film: Film) -> VideoSource:
        if request.param == "fake":
            times_s = [ms / 1000 for ms in film.times_ms]
            source = FakeVideoSource(
                film.images(), times_s, rotation=film.rotation, key_every=KEY_EVERY
            )
        elif request.param == "pyav":
            source = PyavSource(write(film, tmp_path / f"film{len(sources)}"))
        else:
            source, decoder = open_source(write(film, tmp_path / f"film{len(sources)}"), "cuda")
            # The GPU's decoders turn nothing: such a film goes to libav.
            assert (decoder == "nvdec") == (not film.rotation)
        sources.append(source)
        return source

    yield open_film
    for source in sources:
        source.close()


def greys(frames) -> list[float]:
    return [float(frame.image.rgb().mean()) for frame in frames]


def expected_greys(film: Film) -> list[float]:
    return [float(image.mean()) for image in film.images()]


@pytest.mark.parametrize("film", [STEADY, VARIABLE, SIZES], ids=["steady", "variable", "sizes"])
def test_every_frame_comes_once_at_its_time(opened, film):
    """A variable frame rate keeps its times, and frames of other sizes keep theirs."""
    with opened(film) as source:
        frames = list(source.frames())
        info = source.info()
    assert [frame.index for frame in frames] == list(range(len(film.times_ms)))
    times_ms = [frame.time_s * 1000 for frame in frames]
    np.testing.assert_allclose(times_ms, film.times_ms, atol=1.01)
    assert all(a < b for a, b in pairwise(times_ms))
    np.testing.assert_allclose(greys(frames), expected_greys(film), atol=3)
    assert [frame.image.shape for frame in frames] == [i.shape[:2] for i in film.images()]
    assert info.frame_count == len(frames)
    assert info.duration_s > frames[-1].time_s
    assert not source.damaged and source.warnings == []


@pytest.mark.parametrize(
    ("film", "start_s", "duration_s", "indices"),
    [
        (STEADY, 0.4, 0.2, range(10, 15)),
        (STEADY, 0.0, None, range(30)),
        (STEADY, 0.41, None, range(11, 30)),
        (VARIABLE, 0.05, 0.45, range(2, 5)),
        (SIZES, 0.3, 0.3, range(8, 15)),
    ],
)
def test_frames_of_a_range_equal_those_of_the_whole(opened, film, start_s, duration_s, indices):
    """In number, time and pixels; start and end are half-open."""
    whole = list(opened(film).frames())
    source = opened(film)
    part = list(source.frames(start_s, duration_s))
    assert [frame.index for frame in part] == list(indices)
    for frame in part:
        same = whole[frame.index]
        assert frame.time_s == same.time_s
        np.testing.assert_array_equal(frame.image.rgb(), same.image.rgb())
    assert source.info().frame_count == len(part)


def test_frames_stay_valid_when_the_source_is_closed(opened):
    with opened(STEADY) as source:
        frames = list(source.frames())
    np.testing.assert_allclose(greys(frames), expected_greys(STEADY), atol=3)


def test_rotation_is_applied(opened):
    """A white left half comes out on top when the file turns its frames clockwise."""
    with opened(ROTATED) as source:
        frames = list(source.frames())
        info = source.info()
    assert (info.rotation, info.width, info.height) == (270, *reversed(SIZE))
    image = frames[0].image.rgb()
    assert image.shape == (SIZE[0], SIZE[1], 3)
    assert image[: SIZE[0] // 2 - 8].mean() > 240
    assert image[SIZE[0] // 2 + 8 :].mean() < 30


@pytest.mark.parametrize("film", [STEADY, SIZES], ids=["steady", "sizes"])
def test_key_frames_are_times_of_frames_and_the_first_is_one(opened, film):
    """Also while frames are read."""
    source = opened(film)
    frames = source.frames()
    first = next(frames)
    keys = source.key_frames()
    times_s = [first.time_s, *(frame.time_s for frame in frames)]
    assert keys == times_s[::KEY_EVERY]


def test_the_expected_number_of_frames_is_about_right(opened):
    source = opened(STEADY)
    assert abs(source.expected_frames(0.0, None) - 30) <= 1
    assert abs(source.expected_frames(0.4, 0.2) - 5) <= 1


def test_a_range_without_frames_is_one_clear_error(opened):
    source = opened(STEADY)
    assert list(source.frames(100.0)) == []
    with pytest.raises(InputError, match="no frame in it, or none in the"):
        source.info()


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_early_joins_all_threads(opened, taken):
    """Of Python, as NVDEC's sessions have them, and of libav's decoder."""
    source = opened(STEADY)
    next(source.frames())  # libraries start threads of their own on first use
    source.close()
    python_threads, threads = threading.active_count(), psutil.Process().num_threads()
    source = opened(STEADY)
    frames = source.frames()
    for _ in range(taken):
        next(frames)
    frames.close()
    source.close()
    source.close()
    assert threading.active_count() <= python_threads
    assert psutil.Process().num_threads() <= threads


class NoVideo:
    """What has no video stream, for each implementation."""

    @staticmethod
    def fake(_: Path) -> None:
        FakeVideoSource([])

    @staticmethod
    def pyav(path: Path) -> None:
        PyavSource(path)

    @staticmethod
    def nvdec(path: Path) -> None:
        open_source(path, "cuda")


@pytest.mark.parametrize("name", ["pyav", pytest.param("nvdec", marks=NO_GPU), "fake"])
def test_no_video_stream_is_one_clear_error(name, tmp_path):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=48000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        chunk.sample_rate = 48000
        container.mux(audio.encode(chunk))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match="no video in it") as raised:
        getattr(NoVideo, name)(path)
    assert "\n" not in str(raised.value)


def test_all_follow_the_protocol(opened):
    """Every public name of the protocol is there."""
    source = opened(STEADY)
    names = [name for name in vars(VideoSource) if not name.startswith("_")]
    assert len(names) >= 9
    assert [name for name in names if not hasattr(source, name)] == []
