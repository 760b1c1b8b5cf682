"""Every frame comes once, in presentation order, at its presentation time, upright."""

import itertools

import av
import numpy as np
import pytest

from facetrack.core.errors import InputError
from facetrack.media.decode import PyavSource
from facetrack.media.nvdec.packets import (
    AnnexB,
    brings_parameters,
    joined,
    parts_of,
    starting_point,
)
from made.media import count_frames, make_film, make_film_of_sizes, make_video

KINDS = [
    ("mp4", "libx264", "yuv420p", {"bf": "3"}),
    ("mov", "libx264", "yuv420p10le", {}),
    ("mkv", "libx265", "yuv420p", {"x265-params": "log-level=none"}),
    ("mkv", "libx265", "yuv420p10le", {"x265-params": "log-level=none"}),
    ("webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime"}),
    ("mp4", "libsvtav1", "yuv420p", {"preset": "12"}),
    ("avi", "mpeg4", "yuv420p", {}),
]


def read(path, **time_range):
    with PyavSource(path) as source:
        frames = list(source.frames(**time_range))
        return frames, source.info(), source.warnings


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt", "options"), KINDS)
def test_no_frame_lost_or_doubled(tmp_path, suffix, codec, pix_fmt, options):
    """Against libav counting the same file; each grey value shows which frame it is."""
    path = tmp_path / f"clip.{suffix}"
    make_video(path, frames=30, codec=codec, pix_fmt=pix_fmt, options=options)
    frames, info, warnings = read(path)
    assert len(frames) == count_frames(path) == info.frame_count == 30
    assert [f.index for f in frames] == list(range(30))
    assert warnings == []
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(30) / 25, atol=2e-3)
    greys = [float(f.image.rgb().mean()) for f in frames]
    np.testing.assert_allclose(greys, [(i * 7) % 200 + 20 for i in range(30)], atol=6)


def test_variable_frame_rate_keeps_its_times(tmp_path):
    pts = [0, 40, 50, 200, 210, 500, 540, 541, 900, 1000]
    make_video(tmp_path / "vfr.mkv", frames=10, pts=pts)
    frames, _, _ = read(tmp_path / "vfr.mkv")
    np.testing.assert_allclose([f.time_s * 1000 for f in frames], pts, atol=1.01)


def test_odd_sizes(tmp_path):
    make_video(tmp_path / "odd.mkv", size=(97, 53), pix_fmt="yuv444p")
    frames, info, _ = read(tmp_path / "odd.mkv")
    assert frames[0].image.rgb().shape == (53, 97, 3)
    assert (info.width, info.height) == (97, 53)


def test_a_span_keeps_the_frame_numbers_of_the_whole(tmp_path):
    make_video(tmp_path / "clip.mp4")
    frames, info, _ = read(tmp_path / "clip.mp4", start_s=0.4, duration_s=0.2)
    assert [f.index for f in frames] == [10, 11, 12, 13, 14]
    assert info.frame_count == 5


def test_real_clips(pyfeat_data):
    for name in ("WolfgangLanger_Pexels.mp4", "face_noface.mov", "single_face.mp4"):
        frames, info, warnings = read(pyfeat_data / name)
        assert len(frames) == info.frame_count == count_frames(pyfeat_data / name)
        assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
        assert warnings == []


def test_display_rotation_is_applied(tmp_path):
    """A frame with a white left half, marked as turned, comes out with white on top."""
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :48] = 255
    with av.open(str(plain), "w") as film:
        video = film.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        film.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(video.encode(None))
    # The matrix of a track header (ISO 14496-12, tkhd): identity -> a quarter turn clockwise.
    one, nought = b"\x00\x01\x00\x00", b"\x00\x00\x00\x00"
    end = b"\x40\x00\x00\x00"
    identity = one + nought * 3 + one + nought * 3 + end
    quarter = nought + one + nought + b"\xff\xff\x00\x00" + nought * 4 + end
    data = plain.read_bytes()
    at = data.index(identity, data.index(b"tkhd"))
    turned.write_bytes(data[:at] + quarter + data[at + 36 :])
    frames, info, _ = read(turned)
    assert (info.width, info.height) == (64, 96)
    assert frames[0].image.rgb().shape == (96, 64, 3)
    # Turned clockwise, what was left is on top.
    assert frames[0].image.rgb()[:40].mean() > 240
    assert frames[0].image.rgb()[56:].mean() < 15


def test_bad_files_say_what_they_are(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    for name, words in {
        "none.mp4": "no such file",
        ".": "is a folder",
        "empty.mp4": "empty",
        "text.mp4": "not a video",
    }.items():
        with pytest.raises(InputError, match=words):
            PyavSource(tmp_path / name)


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"bf": "2", "g": "10"}),
        ("libx265", {"x265-params": "log-level=none:keyint=10:open-gop=0"}),
    ],
)
def test_joined_packets_hold_all_frames(tmp_path, codec, options):
    """As a GPU's decoder is given them: many at once, from a starting point on; a damaged one
    costs no other."""
    path = tmp_path / "clip.mp4"
    make_video(path, frames=30, codec=codec, options=options)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        name = stream.codec_context.codec.canonical_name
        packets = [packet for packet in film.demux(stream) if packet.size]
        starts = [starting_point(packet, name, stream) for packet in packets]
        assert [s is not None for s in starts] == [packet.is_keyframe for packet in packets]
        assert len(starts) - starts.count(None) >= 3 and len({*starts} - {None}) == 1
        assert not any(map(brings_parameters, packets))
        form = AnnexB(name, stream)
        data = [form.of(joined(packets[i : i + 7])) for i in range(0, 30, 7)]
        damaged = av.Packet(b"\xff" * 50)
        form = AnnexB(name, stream)
        times = [packet.pts for packet in packets]
        alone = [form.of(damaged)]
        each = list(form.each(packets))
        assert [pts for _, pts in each] == times
        alone += [data for data, _ in each]
        expected = [f.image.rgb() for f in read(path)[0]]
    assert alone[0] == b""
    for pieces in (data, alone[1:]):
        assert all(pieces)
        decoder = av.CodecContext.create(name, "r")
        units = [*decoder.parse(b"".join(pieces)), *decoder.parse(), None]
        found = [decoder.decode(packet) for packet in units]
        images = [image.to_ndarray(format="rgb24") for some in found for image in some]
        np.testing.assert_array_equal(images, expected)


PARTS = {
    "closed": {"g": "40", "sc_threshold": "0"},
    "one": {"g": "1000", "sc_threshold": "0"},
    "open": {"g": "40", "x264-params": "open-gop=1"},
}


@pytest.mark.parametrize(
    ("name", "longest", "frames"),
    [
        ("closed", 100, [40, 40, 40]),
        ("closed", 30, [30, 10, 30, 10, 30, 10]),
        ("one", 100, [100, 20]),
        ("open", 50, [50, 50, 20]),
        ("sizes", 100, [30, 30, 30]),
    ],
)
def test_parts_are_decoded_by_themselves(pyfeat_data, tmp_path, name, longest, frames):
    """But for those that go on; together they give every frame once."""
    path = tmp_path / "film.ts"
    with av.open(str(pyfeat_data / "single_face.mp4")) as source:
        real = [frame.reformat(320, 180) for frame in source.decode(video=0)]
    if name == "sizes":
        make_film_of_sizes(real, path, [(320, 180), (640, 360), (320, 180)], 30)
    else:
        make_film(real, path, 120, **PARTS[name])
    expected = [frame.image.rgb() for frame in read(path)[0]]
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        packets = (packet for packet in film.demux(stream) if packet.size)
        found, decoder, goes_on = [], None, False
        parts = list(parts_of(packets, "h264", stream, longest))
        assert [len(part.packets) for part in parts] == frames
        for part in parts:
            if not goes_on:
                found += decoder.decode(None) if decoder else []
                decoder = av.CodecContext.create("h264", "r")
            found += [frame for packet in part.packets for frame in decoder.decode(packet)]
            goes_on = part.goes_on
        found += decoder.decode(None)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.to_ndarray(format="rgb24"), b)
