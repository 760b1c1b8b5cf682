"""Of a film that was cut off, every frame comes that one decoding thread gives."""

from fractions import Fraction

import av
import av.error
import numpy as np
import pytest

from facetrack.media.decode import PyavSource
from facetrack.media.frame_reader import FrameReader

KINDS = [
    ("mp4", "libx264", {"bf": "3", "g": "40"}),
    ("mp4", "libx264", {"bf": "0"}),
    ("mov", "libx264", {"bf": "2", "g": "15", "x264-params": "open-gop=1"}),
    ("mp4", "libx265", {"x265-params": "log-level=none"}),
    ("mp4", "mpeg4", {"bf": "2"}),
    ("mkv", "libx264", {"bf": "3"}),
    ("ts", "libx264", {"bf": "3"}),
    ("avi", "mpeg4", {"bf": "0"}),
]


def film(path, codec, options):
    """150 frames of noise that moves, so that every packet has many bytes to be cut in."""
    first = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    with av.open(str(path), "w", options=first) as out:
        video = out.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for i in range(150):
            image = np.roll(noise, (3 * i, 5 * i), (0, 1))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))


def of_one_thread(path):
    """Mean greys of all frames that libav gives without threads."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                found += [frame.to_ndarray(format="gray").mean() for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return found


@pytest.mark.parametrize(("suffix", "codec", "options"), KINDS)
def test_every_frame_of_one_thread(tmp_path, suffix, codec, options):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    film(whole, codec, options)
    data = whole.read_bytes()
    for share in (0.5, 0.77, 0.9):
        cut.write_bytes(data[: int(share * len(data))])
        with PyavSource(cut) as source:
            frames = list(source.frames())
            assert [f.index for f in frames] == list(range(len(frames)))
            assert len(frames) == len(of_one_thread(cut)) < 150
            clock, times_s = source.info().clock, np.array([f.time_s for f in frames])
        with FrameReader.open(cut, clock=clock) as reader:
            last = np.arange(len(frames) - 4, len(frames), dtype=np.int32)
            assert all(read.found for read in reader.frames(last, times_s[last]))


def test_a_whole_film_is_decoded_once(tmp_path):
    film(tmp_path / "film.mp4", "libx264", {"bf": "3"})
    with PyavSource(tmp_path / "film.mp4") as source:
        assert len(list(source.frames())) == 150
        assert not source.warnings


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_lost_packets_of_a_transport_stream_are_damage(tmp_path, share):
    film(tmp_path / "film.ts", "libx264", {"bf": "0"})
    data = (tmp_path / "film.ts").read_bytes()
    lost = int(share * len(data)) // 188 * 188
    (tmp_path / "film.ts").write_bytes(data[:lost] + data[lost + 3 * 188 :])
    with PyavSource(tmp_path / "film.ts") as source:
        assert len(list(source.frames())) == len(of_one_thread(tmp_path / "film.ts"))
        assert source.damaged
