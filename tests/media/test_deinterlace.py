"""Interlaced films of both field orders, telecined ones and mixtures: frames come whole, as bwdif
of the ffmpeg program gives them, in the analysis and wherever frames are found again."""

from itertools import islice

import av
import numpy as np
import pytest

import facetrack
from facetrack.clips.plan.plan import streams_of
from facetrack.clips.render.render import render_clips
from facetrack.core.settings import ClipSettings
from facetrack.core.types import StreamChoice
from facetrack.media.codecs import Encoding
from facetrack.media.decode import PyavSource, upright
from facetrack.media.deinterlace import Deinterlacer
from facetrack.media.frame_reader import FrameReader
from made.clip_data import clip_of
from made.ffmpeg_program import ffmpeg
from made.media import make_film

FIELDS = (
    "nullsrc=size={}:rate=50:duration={},format=yuv420p,"
    "geq=lum='128+80*sin((X+8*N)/10)*sin(Y/30)':cb=128:cr=128"
)
"""Upright waves that move by 8 pixels, fifty times a second."""
INTERLACED = ("-flags", "+ilme+ildct")
KINDS = {
    "MPEG-2, upper field first": ("ts", "tinterlace=interleave_top,setfield=tff", "mpeg2video"),
    "MPEG-2, lower field first": ("mpg", "tinterlace=interleave_bottom,setfield=bff", "mpeg2video"),
    "H.264, upper field first": ("mp4", "tinterlace=interleave_top,setfield=tff", "libx264"),
    "H.264, lower field first": ("mkv", "tinterlace=interleave_bottom,setfield=bff", "libx264"),
    "DV": ("avi", "tinterlace=interleave_bottom,setfield=bff", "dvvideo"),
    "ProRes": ("mov", "tinterlace=interleave_top,setfield=tff", "prores_ks"),
    "telecined": ("ts", "fps=24000/1001,telecine=pattern=23,setfield=tff", "mpeg2video"),
}
"""Suffix, filter and encoder."""


def make_interlaced(path, kind):
    _, fields, codec = KINDS[kind]
    size, seconds = "192x144", 2
    options = ["-c:v", codec, *INTERLACED]
    if codec == "dvvideo":
        size, seconds = "720x576", 1
        options += ["-pix_fmt", "yuv420p"]
    elif codec == "libx264":
        options += ["-preset", "veryfast", "-crf", "10", "-bf", "2", "-g", "12"]
    elif codec == "mpeg2video":
        options += ["-q:v", "2", "-bf", "2", "-g", "12"]
    ffmpeg("-f", "lavfi", "-i", FIELDS.format(size, seconds), "-vf", fields, *options, path)


def luma_by_program(path, *filters):
    """``(n, height, width)``: all frames as the program shows them."""
    with av.open(str(path)) as film:
        width, height = film.streams.video[0].width, film.streams.video[0].height
    chain = ",".join([*filters, "format=rgb24"])
    raw = ffmpeg(
        "-i", path, "-fps_mode", "passthrough", "-vf", chain, "-f", "rawvideo", "-"
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)[..., 1].astype(int)


def luma(image):
    """``(height, width)`` of a grey frame."""
    return image.rgb()[:, :, 1].astype(int)


def combs(luma):
    """How much every second row differs from the rows around it: of moving parts, much where the
    rows are of two moments."""
    middle = luma[:, 1:-1].astype(int)
    away = np.abs(2 * middle - luma[:, :-2] - luma[:, 2:])
    return float(np.percentile(away, 98))


def read(path, streams=None):
    with PyavSource(path, streams or StreamChoice()) as source:
        frames = list(source.frames())
        return frames, source.info(), list(source.notes)


@pytest.fixture(scope="module", params=KINDS)
def interlaced(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("interlaced") / f"film.{KINDS[request.param][0]}"
    make_interlaced(path, request.param)
    return path


def test_frames_are_those_of_the_program(interlaced):
    frames, info, notes = read(interlaced)
    left, plain, no_notes = read(interlaced, StreamChoice(deinterlace=False))
    assert (info.deinterlaced, plain.deinterlaced) == (True, False)
    assert [(f.index, f.time_s) for f in frames] == [(f.index, f.time_s) for f in left]
    assert any("is interlaced" in note and "--deinterlace off" in note for note in notes)
    assert not any("interlaced" in note for note in no_notes)
    ours = np.array([luma(frame.image) for frame in frames])
    whole = luma_by_program(interlaced, "bwdif=mode=send_frame")
    assert ours.shape == whole.shape
    assert np.percentile(np.abs(ours - whole), 99) <= 3
    coded = np.array([luma(frame.image) for frame in left])
    assert combs(ours) < 0.6 * combs(coded)


def test_frames_found_again_are_the_same(interlaced):
    frames, info, _ = read(interlaced)
    expected = np.array([luma(frame.image) for frame in frames])
    times_s = np.array([frame.time_s for frame in frames])
    rng = np.random.default_rng(3)
    for count in (1, 1, 1, 3, 6):
        wanted = np.sort(rng.choice(len(frames), count, replace=False)).astype(np.int32)
        with FrameReader.open(interlaced, info.streams, info.clock) as reader:
            again = list(reader.frames(wanted, times_s[wanted]))
            at = reader.frame_at(times_s[wanted[0]])
        assert [(r.number, r.found) for r in again] == [(n, True) for n in wanted]
        for r in again:
            np.testing.assert_array_equal(luma(upright(r.frame)), expected[r.number])
        np.testing.assert_array_equal(luma(upright(at)), expected[wanted[0]])


def test_each_frame_alone_is_the_same(tmp_path):
    path = tmp_path / "film.mp4"
    make_interlaced(path, "H.264, upper field first")
    frames, info, _ = read(path)
    for frame in frames:
        with FrameReader.open(path, info.streams, info.clock) as reader:
            one = np.array([frame.time_s])
            (again,) = reader.frames(np.array([frame.index], np.int32), one)
        np.testing.assert_array_equal(upright(again.frame).rgb(), frame.image.rgb())


def test_a_progressive_film_passes_untouched(tmp_path):
    path = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", FIELDS.format("96x64", 1), "-c:v", "libx264", path)
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert all(a is b for a, b in zip(frames, Deinterlacer().of(iter_of(frames)), strict=True))
    _, info, notes = read(path)
    assert (info.deinterlaced, info.streams.deinterlace, notes) == (False, False, [])


def iter_of(frames):
    yield from frames


def test_only_the_interlaced_frames_of_a_mixed_film_change(tmp_path):
    make_interlaced(tmp_path / "a.ts", "MPEG-2, upper field first")
    ffmpeg(
        "-f", "lavfi", "-i", FIELDS.format("192x144", 2) + ",fps=25", "-c:v", "mpeg2video",
        "-q:v", "2", tmp_path / "b.ts",
    )  # fmt: skip
    path, parts = tmp_path / "film.ts", [(tmp_path / f"{name}.ts").read_bytes() for name in "abab"]
    path.write_bytes(b"".join(parts))
    with av.open(str(path)) as film:
        marked = np.array([frame.interlaced_frame for frame in film.decode(video=0)])
    frames, info, _ = read(path)
    left, _, _ = read(path, StreamChoice(deinterlace=False))
    assert info.deinterlaced and 90 < marked.sum() <= 100 and 90 < (~marked).sum() <= 100
    assert [f.time_s for f in frames] == [f.time_s for f in left]
    same = [np.array_equal(a.image.rgb(), b.image.rgb()) for a, b in zip(frames, left, strict=True)]
    np.testing.assert_array_equal(same, ~marked)
    times_s = np.array([frame.time_s for frame in frames])
    edges = np.flatnonzero(np.diff(marked))
    wanted = np.unique([*edges - 1, *edges, *edges + 1, *edges + 2]).astype(np.int32)
    with FrameReader.open(path, info.streams, info.clock) as reader:
        for again in reader.frames(wanted, times_s[wanted]):
            expected = frames[again.number].image.rgb()
            np.testing.assert_array_equal(upright(again.frame).rgb(), expected)


def test_frames_too_small_for_the_filter_stay(tmp_path):
    path = tmp_path / "film.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=96x2:rate=25:duration=1", "-vf", "setfield=tff",
        "-c:v", "mpeg2video", "-flags", "+ildct", path,
    )  # fmt: skip
    assert len(read(path)[0]) == 25


def test_clips_are_whole_and_marked_progressive(tmp_path):
    path = tmp_path / "film.mkv"
    make_interlaced(path, "H.264, lower field first")
    frames, info, _ = read(path)
    times_s = [frame.time_s for frame in frames]
    shown = {}
    for wanted in ("auto", "off"):
        clip = clip_of(times_s, (5, 20), crop=(96, 72, 192, 144), size=(192, 144))
        streams = streams_of(info, ClipSettings(deinterlace=wanted))
        (made,) = render_clips(
            path, [clip], tmp_path / wanted, Encoding(quality=100), 1, streams=streams
        )
        assert made.error is None
        with av.open(str(made.path)) as film:
            decoded = list(film.decode(video=0))
        assert not any(frame.interlaced_frame for frame in decoded)
        shown[wanted] = np.array([f.to_ndarray(format="rgb24")[..., 1] for f in decoded], int)
    whole = luma_by_program(path, "bwdif=mode=send_frame")[5:20]
    assert np.abs(shown["auto"] - whole).mean() < 2
    assert combs(shown["auto"]) < 0.6 * combs(shown["off"])


def test_what_the_analysis_did_is_kept_for_clips(tmp_path, pyfeat_data):
    real = pyfeat_data / "WolfgangLanger_Pexels.mp4"
    with av.open(str(real)) as film:
        frames = [f.reformat(320, 180) for f in islice(film.decode(video=0), 20)]
    make_film(frames, tmp_path / "film.mp4", 20, "mpeg2video", flags="+ildct+ilme")
    for wanted, kept in (("auto", True), ("off", False)):
        analysis = facetrack.analyze(tmp_path / "film.mp4", deinterlace=wanted)
        analysis.save(tmp_path / wanted)
        loaded = facetrack.Analysis.load(tmp_path / wanted)
        assert loaded.info.streams.deinterlace is kept
        assert loaded.settings["decode"]["deinterlace"] == wanted
