"""Clips of films whose every frame and sample is known: what is in them, when, and where."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from facetrack.clips.render.freeze_frame import LIGHT
from facetrack.clips.render.reframe import reframe
from facetrack.clips.render.render import render_clips
from facetrack.core.errors import InputError, UsageError
from facetrack.media.codecs import Encoding, choose_encoder, why_unusable
from facetrack.media.encode import ClipWriter, ColorInfo
from facetrack.media.planar import UprightPlanes, planes
from made.clip_data import boxes_of, clip_of, ends, greys, left_behind, panel_of, sound, times
from made.media import make_video

FRAMES, RATE = 75, 48000
TIMES = np.arange(FRAMES) / 25
PLAIN = Encoding()


def grey_of(frame):
    """What ``make_video`` paints."""
    return (frame * 7) % 200 + 20


def rendered(film, clips, out, encoding=PLAIN, **options):
    results = render_clips(film, clips, out, encoding, **options)
    assert [r.error for r in results] == [None] * len(clips)
    assert not left_behind(out)
    return results


def luma(grey):
    """Of a grey of RGB, as video has it."""
    return 16 + grey * 219 / 255


def onsets(path, level=0.3):
    """Seconds at which loud sound begins after silence."""
    samples, rate = sound(path)
    loud = np.flatnonzero(np.abs(samples[0]) > level)
    begins = loud[np.insert(np.diff(loud) > rate // 10, 0, True)]
    return begins / rate


def flashes(path):
    return [t for t, grey in zip(times(path)[0], greys(path), strict=True) if grey > 150]


def test_a_flash_and_its_beep_stay_together(tmp_path):
    """Sound and frames of a clip from the middle of the film are in sync within 20 ms."""
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    (clip,) = rendered(tmp_path / "film.mp4", [clip_of(TIMES, (4, 60))], tmp_path)
    assert (clip.frames, clip.samples) == (56, 56 * RATE // 25)
    assert flashes(clip.path)[0] == pytest.approx(0.24, abs=1e-3)
    assert onsets(clip.path)[0] == pytest.approx(0.24, abs=0.02)


def test_ten_seconds_are_250_frames_and_480000_samples(tmp_path):
    make_video(tmp_path / "film.mp4", frames=300, beeps=True)
    clip = clip_of(np.arange(300) / 25, (17, 267))
    (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path)
    assert (made.frames, made.samples) == (250, 480_000)
    assert len(greys(made.path)) == 250
    assert times(made.path)[1] == pytest.approx(10.0, abs=1e-6)
    assert ends(made.path) == pytest.approx([10.0, 10.0], abs=1e-4)
    # What a decoder gives is whole AAC frames: less than one more than there is.
    assert 480_000 <= sound(made.path)[0].shape[1] < 480_000 + 1024


def test_a_segment_begins_where_it_should_between_key_frames(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES, options={"g": "50", "bf": "3"})
    for first in (1, 13, 49, 51):
        clip = clip_of(TIMES, (first, first + 9), name=f"{first}.mp4")
        (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path)
        expected = [grey_of(i) for i in range(first, first + 9)]
        np.testing.assert_allclose(greys(made.path), expected, atol=4)


def test_variable_frame_rate_stays_as_it_was(tmp_path):
    pts = [round(i * 40 + 15 * np.sin(i)) for i in range(FRAMES)]
    make_video(tmp_path / "vfr.mkv", frames=FRAMES, pts=pts, beeps=True)
    clip = clip_of(np.array(pts) / 1000, (7, 50))
    (made,) = rendered(tmp_path / "vfr.mkv", [clip], tmp_path)
    begins, _ = times(made.path)
    np.testing.assert_allclose(begins, (np.array(pts[7:50]) - pts[7]) / 1000, atol=2e-5)
    assert ends(made.path) == pytest.approx([(pts[50] - pts[7]) / 1000] * 2, abs=1e-4)
    assert onsets(made.path)[0] == pytest.approx(flashes(made.path)[0], abs=0.02)


def test_a_condensed_clip_keeps_sound_and_frames_together_to_the_end(tmp_path):
    """Ranges far apart, one after the other; the last begins where a beep does."""
    film = tmp_path / "film.mp4"
    beep_film(film, seconds=30, every_s=5)
    frame_s = np.arange(750) / 25
    clip = clip_of(frame_s, (100, 137), (240, 260), (251 + 249, 251 + 249 + 33), (740, 750))
    (made,) = rendered(film, [clip], tmp_path)
    assert made.frames == 37 + 20 + 33 + 10
    assert made.samples == round(made.frames * RATE / 25)
    lit, heard = flashes(made.path), onsets(made.path)
    assert lit == pytest.approx([1.0, (37 + 10) / 25, (37 + 20) / 25], abs=1e-3)
    assert heard == pytest.approx(lit, abs=0.02)
    assert ends(made.path) == pytest.approx([4.0, 4.0], abs=1e-4)


def beep_film(path, seconds, every_s):
    """A white frame and a beep of its length every few seconds; key frames ten seconds apart."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"bf": "3"})
        video.width, video.height = 96, 64
        audio = film.add_stream("aac", rate=RATE, layout="mono")
        for i in range(seconds * 25):
            grey = 255 if i and i % (every_s * 25) == 0 else 40
            shot = av.VideoFrame.from_ndarray(np.full((64, 96, 3), grey, np.uint8))
            shot.pts, shot.time_base = i, Fraction(1, 25)
            film.mux(video.encode(shot))
            samples = np.zeros((1, RATE // 25), np.float32)
            if grey == 255:
                samples[0] = 0.8 * np.sin(np.arange(RATE // 25) * 2 * np.pi * 1000 / RATE)
            chunk = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = RATE, i * RATE // 25
            film.mux(audio.encode(chunk))
        film.mux(video.encode(None))
        film.mux(audio.encode(None))


def test_a_clip_with_a_frame_rate_of_its_own(tmp_path):
    """Frames shown twice, frames left out; the sound is as long as the frames."""
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    clip = clip_of(TIMES, (0, 50))
    shown = np.repeat(np.arange(0, 50, 2), 3).astype(np.int32)
    clip = replace(
        clip, frames=shown, source_s=TIMES[shown], edges_s=np.arange(76) * 2 / 75,
        panels=(panel_of(75, (48, 32, 40, 40), (0, 0, 64, 64)),),
    )  # fmt: skip
    (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path)
    assert (made.frames, made.samples) == (75, 2 * RATE)
    assert times(made.path)[1] == pytest.approx(2.0, abs=1e-5)


def test_panels_lie_in_their_places_and_the_rest_is_black(tmp_path):
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        image = np.full((64, 96, 3), 60, np.uint8)
        image[:, 48:] = 200
        for i in range(5):
            shot = av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")
            shot.pts, shot.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(shot))
        out.mux(stream.encode(None))
    clip = replace(
        clip_of(np.arange(5) / 25, (0, 5), size=(128, 64)),
        panels=(
            panel_of(5, (70, 30, 20, 20), (0, 0, 64, 64)),
            panel_of(5, (20, 30, 20, 20), (64, 0, 32, 64)),
        ),
    )
    (made,) = rendered(film, [clip], tmp_path)
    with av.open(str(made.path)) as container:
        grey = next(container.decode(video=0)).to_ndarray(format="yuv420p")[:64]
    assert (grey.shape[1], made.frames) == (128, 5)
    for left, right, expected in ((4, 60, luma(200)), (68, 92, luma(60)), (100, 124, 16)):
        assert grey[4:60, left:right].mean() == pytest.approx(expected, abs=2)


def test_a_held_panel_shows_another_frame_darkened(tmp_path):
    """Frame 12 in the place of all others, in the right half."""
    film = tmp_path / "film.mp4"
    make_video(film, frames=20)
    clip = replace(
        clip_of(np.arange(20) / 25, (0, 5), size=(128, 64)),
        panels=(
            panel_of(5, (48, 32, 40, 40), (0, 0, 64, 64)),
            panel_of(5, (48, 32, 40, 40), (64, 0, 64, 64), still_s=12 / 25),
        ),
    )
    (made,) = rendered(film, [clip], tmp_path)
    with av.open(str(made.path)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            grey = frame.to_ndarray(format="yuv420p")[4:60]
            assert grey[:, 4:60].mean() == pytest.approx(luma(grey_of(i)), abs=2)
            dark = 16 + LIGHT * (luma(grey_of(12)) - 16)
            assert grey[:, 68:124].mean() == pytest.approx(dark, abs=2)


def test_frames_do_not_come_from_the_cover(tmp_path):
    """A file whose first video stream is a cover has its frames from the second."""
    plain, film = tmp_path / "plain.mp4", tmp_path / "film.mp4"
    make_video(plain, frames=30)
    with av.open(str(plain)) as source, av.open(str(film), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        cover = out.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = 0x0400
        shot = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 255, np.uint8))
        shot = shot.reformat(format="yuvj420p")
        shot.pts, shot.time_base = 0, Fraction(1, 25)
        for packet in cover.encode(shot) + cover.encode(None):
            out.mux(packet)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
    film.write_bytes(with_tags_first(film.read_bytes()))
    with av.open(str(film)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
    (made,) = rendered(film, [clip_of(TIMES[:30], (3, 20))], tmp_path)
    np.testing.assert_allclose(greys(made.path), [grey_of(i) for i in range(3, 20)], atol=4)


def with_tags_first(film):
    """An mp4 whose tags, and so its cover, lie before its tracks."""
    top = boxes_in(film)
    moov = next(box for box in top if box[4:8] == b"moov")
    inside = boxes_in(moov[8:])
    inside.sort(key=lambda box: (box[4:8] != b"mvhd", box[4:8] != b"udta"))
    return b"".join(moov[:8] + b"".join(inside) if box is moov else box for box in top)


def boxes_in(data):
    boxes, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        boxes.append(data[at : at + length])
        at += length
    return boxes


@pytest.mark.parametrize(
    ("matrix", "full"), [(1, False), (5, False), (6, True)], ids=["bt709", "bt601", "full range"]
)
def test_colours_are_tagged_as_the_source_is(tmp_path, matrix, full):
    film = tmp_path / "film.mp4"
    with av.open(str(film), "w") as out:
        out.metadata["title"], out.metadata["creation_time"] = "Talk", "2020-02-03T04:05:06.000000Z"
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = matrix
        context.color_range = 2 if full else 1
        for i in range(10):
            shot = av.VideoFrame(96, 64, "yuv420p")
            for plane, value in zip(shot.planes, (120, 90, 160), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            shot.pts, shot.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(shot))
        out.mux(stream.encode(None))
    (made,) = rendered(film, [clip_of(np.arange(10) / 25, (0, 10))], tmp_path)
    with av.open(str(made.path)) as container:
        shot = next(container.decode(video=0))
        assert container.metadata["title"] == "Talk"
        assert container.metadata["creation_time"] == "2020-02-03T04:05:06.000000Z"
    assert shot.color_range == (2 if full else 1)
    assert shot.colorspace == shot.color_primaries == shot.color_trc == matrix
    means = [plane.mean() for plane in planes(shot)]
    assert means == pytest.approx([120, 90, 160], abs=1.5)


@pytest.mark.parametrize(("width", "matrix"), [(640, 5), (1280, 1)])
def test_a_source_that_does_not_say_its_matrix_is_shown_as_players_show_it(tmp_path, width, matrix):
    make_video(tmp_path / "film.mp4", frames=3, size=(width, 360))
    clip = clip_of(np.arange(3) / 25, (0, 3), crop=(100, 100, 80, 80))
    (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path)
    with av.open(str(made.path)) as container:
        assert next(container.decode(video=0)).colorspace == matrix


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_source_stands_upright_and_carries_no_turn(tmp_path, degrees):
    film = tmp_path / "film.mp4"
    image = np.full((64, 96, 3), 40, np.uint8)
    image[:16, :16] = 255  # a mark in a corner of the stored frame
    with av.open(str(film), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        for i in range(5):
            shot = av.VideoFrame.from_ndarray(image)
            shot.pts, shot.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(shot))
        out.mux(stream.encode(None))
    with av.open(str(film)) as container:
        turns = next(container.decode(video=0)).rotation % 360 // 90
    upright = np.rot90(image, turns)
    height, width = upright.shape[:2]
    clip = clip_of(
        np.arange(5) / 25, (0, 5), crop=(width / 2, height / 2, width, height), size=(width, height)
    )
    (made,) = rendered(film, [clip], tmp_path)
    with av.open(str(made.path)) as container:
        shot = next(container.decode(video=0))
        assert shot.rotation == 0
        shown = shot.to_ndarray(format="rgb24")
    np.testing.assert_allclose(shown, upright, atol=30)


def test_a_clip_plays_while_it_loads(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    (made,) = rendered(tmp_path / "film.mp4", [clip_of(TIMES, (0, 50))], tmp_path)
    boxes = boxes_of(made.path)
    assert boxes.index("moov") < boxes.index("mdat")


def test_clips_that_share_a_decode_are_those_made_apart(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    clips = [
        clip_of(TIMES, (i * 5, i * 5 + 40), crop=(40 + i, 30, 30, 30), name=f"{i}.mp4")
        for i in range(5)
    ]
    together = rendered(tmp_path / "film.mp4", clips, tmp_path / "together", jobs=1)
    for result, clip in zip(together, clips, strict=True):
        (apart,) = rendered(tmp_path / "film.mp4", [clip], tmp_path / "apart", jobs=1)
        assert apart.path.read_bytes() == result.path.read_bytes()


def test_a_wav_beside_the_clip_has_the_same_sound(tmp_path):
    beep_film(tmp_path / "film.mp4", seconds=12, every_s=5)
    clip = clip_of(np.arange(300) / 25, (120, 140), (249, 260))
    (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path, Encoding(wav_rate=16000))
    samples, rate = sound(made.path.with_suffix(".wav"))
    assert (rate, samples.shape) == (16000, (1, 31 * 640))
    assert onsets_of_wav(samples[0], rate) == pytest.approx([5 / 25, 21 / 25], abs=0.005)


def onsets_of_wav(samples, rate):
    loud = np.flatnonzero(np.abs(samples) > 0.3 * 32767)
    return loud[np.insert(np.diff(loud) > rate // 10, 0, True)] / rate


@pytest.mark.parametrize(
    ("codec", "name", "pix_fmt", "tag", "suffix"),
    [
        ("hevc", "hevc", "yuv420p", "hvc1", ".mp4"),
        ("av1", "av1", "yuv420p", "av01", ".mp4"),
        ("prores", "prores", "yuv422p10le", "apch", ".mov"),
    ],
)
def test_codecs(tmp_path, codec, name, pix_fmt, tag, suffix):
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    clip = clip_of(TIMES, (4, 40), size=(128, 96), name=f"clip{suffix}")
    try:
        (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path, Encoding(codec=codec))
    except UsageError as reason:
        pytest.skip(str(reason))
    with av.open(str(made.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (128, 96)
        assert context.codec.canonical_name == name
        assert (context.pix_fmt, context.codec_tag) == (pix_fmt, tag)
        assert next(container.decode(video=0)).color_range == 1
    assert (made.frames, made.samples) == (36, 36 * RATE // 25)
    assert len(greys(made.path)) == 36
    assert ends(made.path)[0] == pytest.approx(ends(made.path)[1], abs=0.02)
    assert flashes(made.path)[0] == pytest.approx(0.24, abs=1e-3)
    assert onsets(made.path, 0.3 * (32768 if codec == "prores" else 1))[0] == pytest.approx(
        0.24, abs=0.02
    )


def policies():
    """How the threads of this process are scheduled."""
    found = set()
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError):  # it has just ended
            found.add(os.sched_getscheduler(int(thread)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed by Linux")
def test_no_encoder_makes_the_process_real_time(tmp_path):
    """SVT-AV1 does, where the user is root: nothing else on the machine would run."""
    before = policies()
    why_unusable.__wrapped__("libsvtav1")
    assert policies() == before
    encoder = choose_encoder(Encoding(codec="av1", gpu=False))
    color = ColorInfo(False, 1, 1, 1)
    with ClipWriter(tmp_path / "a.mp4", encoder, (128, 128), Fraction(25), color, None, {}) as clip:
        clip.write_frame(av.VideoFrame(128, 128, encoder.pix_fmt), 0, 4800)
        assert policies() == before
    assert policies() == before


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_more_quality_is_more_bytes(tmp_path, codec):
    film = tmp_path / "film.mkv"
    random = np.random.default_rng(0)
    with av.open(str(film), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        for i in range(10):
            noise = random.integers(0, 256, (128, 128, 3)).astype(np.uint8)
            shot = av.VideoFrame.from_ndarray(noise).reformat(format="yuv420p")
            shot.pts, shot.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(shot))
        out.mux(stream.encode(None))
    clip = clip_of(np.arange(10) / 25, (0, 10), crop=(64, 64, 100, 100), size=(128, 128))
    sizes = []
    for quality in (0, 40, 75, 100):
        try:
            encoding = Encoding(codec=codec, quality=quality, effort="ultrafast")
            (made,) = rendered(film, [clip], tmp_path, encoding)
        except UsageError as reason:
            pytest.skip(str(reason))
        sizes.append(made.path.stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]


def test_an_encoder_is_believed_when_it_has_encoded():
    assert why_unusable("libx264") is None
    assert why_unusable("no such encoder") == "not in this libav"


def test_drawn_shown_frames_the_source_instead_of_crops(tmp_path):
    make_video(tmp_path / "film.mp4", frames=20, size=(97, 65), pix_fmt="yuv444p")
    clip = clip_of(np.arange(20) / 25, (2, 12))
    (made,) = rendered(tmp_path / "film.mp4", [clip], tmp_path, overlay=Bar())
    with av.open(str(made.path)) as container:
        images = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(images) == 10
    for i, shot in enumerate(images, start=2):
        assert shot.shape == (64, 96, 3)
        assert shot[:40].mean() == pytest.approx(grey_of(i), abs=4)
        assert shot[56:64].mean() == pytest.approx(255, abs=4)


class Bar:
    """Draws a white bar at the foot."""

    def size_of(self, source):
        return source

    def drawn(self, shot, frame, shown):
        (person, crop), drawn = shown[0], shot.copy()
        assert (person, *crop) == (1, 48, 32, 40, 40)
        assert abs(shot[:40].mean() - grey_of(frame)) < 4
        drawn[52:] = 255
        return drawn


def test_a_source_that_is_gone_is_said(tmp_path):
    with pytest.raises(InputError, match="gone"):
        render_clips(tmp_path / "none.mp4", [clip_of(TIMES, (0, 30))], tmp_path, PLAIN)


def test_a_crop_far_larger_than_its_place_near_the_edge():
    """The last block of samples reaches past the crop: it must not reach past the frame."""
    luma = np.tile((np.arange(640) // 4).astype(np.uint8), (360, 1))
    shot = av.VideoFrame.from_ndarray(np.repeat(luma[..., None], 3, axis=2), format="rgb24")
    source = UprightPlanes.of(shot.reformat(format="yuv420p"), 1)
    for right in range(560, 641, 5):
        target = av.VideoFrame(64, 64, "yuv420p")
        reframe(source, np.array([right - 160, 180.0, 320.0, 360.0]), target, (0, 0, 58, 64))
        shown = target.to_ndarray(format="gray")[:, :58].astype(float)
        step = (shown[:, -2] - shown[:, 1]) / 55
        assert np.abs(np.diff(shown[:, 1:-1], axis=1) - step[:, None]).max() < 3


@pytest.mark.parametrize("place", [(0, 0, 128, 96), (16, 32, 200, 150), (2, 4, 48, 36)])
def test_a_crop_on_whole_pixels_looks_as_one_beside_them(place):
    """libswscale's frame against ours from a hair to the right, larger, as it is, and smaller."""
    random = np.random.default_rng(2)
    coarse = random.integers(40, 200, (23, 31, 3)).astype(np.uint8)
    shot = av.VideoFrame.from_ndarray(coarse).reformat(320, 240, "yuv420p")
    source = UprightPlanes.of(shot, 1)
    shown = []
    for beside in (0, 1 / 32):
        target = av.VideoFrame(256, 192, "yuv420p")
        for plane in planes(target):
            plane[:] = 128
        reframe(source, np.array([164 + beside, 118, 128, 96]), target, place)
        shown.append([plane.astype(float) for plane in planes(target)])
    for whole, moved in zip(*shown, strict=True):
        assert np.abs(whole - moved).max() < 12  # ours sites chroma as MPEG-2 does
        assert np.abs(whole - moved).mean() < 0.7
    x, y, width, height = place
    luma = shown[0][0].copy()
    luma[y : y + height, x : x + width] = 128
    assert (luma == 128).all()
