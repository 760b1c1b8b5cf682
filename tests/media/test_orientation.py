"""Frames stand as the ffmpeg program shows them, turned and mirrored in all eight ways: in the
analysis, in clips, and in crops of faces."""

import gc
import struct

import av
import numpy as np
import psutil
import pytest

from facetrack.clips.render.render import render_clips
from facetrack.media.codecs import Encoding
from facetrack.media.decode import PyavSource, upright
from facetrack.media.frame_reader import FrameReader
from facetrack.media.orientation import Orientation
from facetrack.media.planar import UprightPlanes
from made.clip_data import clip_of
from made.ffmpeg_program import ffmpeg, shown

EIGHT = {
    "upright": (1, 0, 0, 1),
    "a quarter clockwise": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "a quarter counter-clockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed the other way": (0, -1, -1, 0),
}
"""a, b, c, d of the display matrix."""
STORED = np.zeros((64, 96, 3), np.uint8)
"""Another colour in each quarter."""
STORED[:32, :48], STORED[:32, 48:] = (220, 40, 40), (40, 200, 40)
STORED[32:, :48], STORED[32:, 48:] = (40, 40, 230), (230, 230, 230)


def film_of(tmp_path, way, suffix):
    """Three frames and the matrix of a track header (ISO 14496-12, tkhd)."""
    path = tmp_path / f"film.{'mov' if suffix == 'mov' else 'mp4'}"
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"crf": "5"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(STORED, format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts = i
            film.mux(video.encode(frame))
        film.mux(video.encode(None))

    def matrix(a, b, c, d):
        one = 1 << 16
        return struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)

    data = path.read_bytes()
    at = data.index(matrix(1, 0, 0, 1), data.index(b"tkhd"))
    path.write_bytes(data[:at] + matrix(*EIGHT[way]) + data[at + 36 :])
    if suffix == "mkv":
        ffmpeg("-i", path, "-c", "copy", tmp_path / "film.mkv")
    return tmp_path / f"film.{suffix}"


def check(path):
    """Gives what the program shows."""
    expected = shown(path)
    with PyavSource(path) as source:
        frames = list(source.frames())
        info = source.info()
    assert (info.height, info.width) == expected.shape[1:3]
    for frame, image in zip(frames, expected, strict=True):
        np.testing.assert_allclose(frame.image.rgb(), image, atol=12)
    with FrameReader.open(path) as reader:
        for read, image in zip(
            reader.frames(np.zeros(1, np.int32), np.zeros(1)), expected, strict=False
        ):
            orientation = Orientation.of(read.frame)
            assert (orientation.degrees, orientation.mirrored) == (info.rotation, info.mirrored)
            np.testing.assert_allclose(upright(read.frame).rgb(), image, atol=12)
            planes = UprightPlanes.of(read.frame, 5)
            assert planes.size == (info.width, info.height)
            np.testing.assert_allclose(planes.rgb(), image, atol=12)
            luma, blue, red = planes.planes
            assert blue.shape == red.shape == (luma.shape[0] // 2, luma.shape[1] // 2)
            differ = np.abs(luma - shown_luma(image).astype(int)) > 6
            assert differ.mean() < 0.001  # colours that RGB cuts off
    return expected


def shown_luma(image):
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    return frame.to_ndarray()[: image.shape[0]]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("way", EIGHT)
def test_frames_stand_as_the_program_shows_them(tmp_path, way, suffix):
    check(film_of(tmp_path, way, suffix))


def test_the_eight_ways_differ(tmp_path):
    ways = set()
    for way in EIGHT:
        (tmp_path / way).mkdir()
        with av.open(str(film_of(tmp_path / way, way, "mp4"))) as film:
            ways.add(Orientation.of(next(film.decode(video=0))))
    assert ways == {Orientation(turns, mirrored) for turns in range(4) for mirrored in (0, 1)}


@pytest.mark.parametrize("way", ["mirrored", "transposed", "a quarter clockwise"])
def test_clips_stand_as_the_program_shows_them(tmp_path, way):
    path = film_of(tmp_path, way, "mp4")
    expected = shown(path)[0]
    height, width = expected.shape[:2]
    crop = (width / 2, height / 2, width, height)
    clip = clip_of([0.0, 0.04, 0.08], (0, 3), crop=crop, size=(width, height))
    (made,) = render_clips(path, [clip], tmp_path, Encoding(quality=100), jobs=1)
    assert made.error is None
    with av.open(str(made.path)) as film:
        image = next(film.decode(video=0)).to_ndarray(format="rgb24")
    inner = np.s_[8 : height // 2 - 8, 8 : width // 2 - 8]
    for flipped, ours in ((expected, image), (expected[::-1, ::-1], image[::-1, ::-1])):
        np.testing.assert_allclose(ours[inner], flipped[inner], atol=12)


def test_threads_of_decoders_end_with_their_files(tmp_path):
    path = film_of(tmp_path, "mirrored", "mp4")
    process, counts = psutil.Process(), []
    gc.disable()
    try:
        for _ in range(50):
            with PyavSource(path) as source:
                shape = next(frame.image.shape for frame in source.frames())
            with FrameReader.open(path) as reader:
                (read,) = reader.frames(np.zeros(1, np.int32), np.zeros(1))
                assert upright(read.frame).shape == shape
            counts.append(process.num_threads())
    finally:
        gc.enable()
    assert counts == counts[:1] * 50


def test_a_shared_mirrored_film(shared_cases):
    check(shared_cases / "mirror.mp4")
