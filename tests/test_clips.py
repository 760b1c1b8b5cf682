"""Clips of a film whose every frame and sample is known: what is in them, when, and where."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from facetrack.analysis import Analysis, Interval, Person, Shot
from facetrack.clips.render import render_clips
from facetrack.clips.segments import segments_of
from facetrack.clips.square_path import crop_path
from facetrack.errors import InputError
from facetrack.media.picture import Frame, RgbPicture
from facetrack.media.sound import read_sound
from facetrack.pipeline.id_timeline_generator import face_table
from facetrack.settings import ClipSettings
from facetrack.tracking.rows import rows_of
from facetrack.tracking.tracks import Track
from facetrack.types import Faces, VideoInfo
from media import make_video

FRAMES, RATE = 75, 48000


def analysis_of(video: Path, spans, times_s=None, size=(96, 64)):
    """One person whose face stands still in the middle of the picture."""
    times = np.arange(FRAMES) / 25 if times_s is None else np.asarray(times_s)
    edges = [*times, times[-1] + 0.04]
    middle = np.array([size[0] / 2 - 8, size[1] / 2 - 10, size[0] / 2 + 8, size[1] / 2 + 10])
    middle = middle.astype(np.float32)
    one, points = np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32)
    face = Faces.of_one_source(middle[None], one, points, middle[None], "detected")
    picture = RgbPicture(np.zeros((size[1], size[0], 3), np.uint8))
    tracks = []
    for number, (a, b) in enumerate(spans, start=1):
        tracks.append(Track(number, 1))
        for i in range(a, b):
            tracks[-1].add(rows_of(Frame(i, times[i], picture), face)[0])
    return Analysis(
        info=VideoInfo(video, *size, 0, len(times), Fraction(25), edges[-1], True, "h264"),
        people=[Person(1, "Person 1", 1, 1.0, 0.0, 1.0, None)],
        tracks=[],
        intervals=[Interval(1, a, b, edges[a], edges[b]) for a, b in spans],
        shots=[Shot(0, len(times))],
        dropped=[],
        faces=face_table(tracks, {t.id: 1 for t in tracks}),
        frame_times=times,
        first_frame=0,
        embeddings={},
    )


def test_a_flash_and_its_beep_stay_together(tmp_path):
    """Sound and picture of a clip from the middle of the film are in sync within 20 ms."""
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    analysis = analysis_of(tmp_path / "film.mp4", [(4, 60)])
    (clip,) = render_clips(analysis, tmp_path, ClipSettings(size=64, zoom=3))
    assert clip.error is None
    with av.open(str(clip.path)) as container:
        bright = [(f.time, f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]
    assert len(bright) == 56
    flash_s = max(bright, key=lambda seen: seen[1])[0]
    with av.open(str(clip.path)) as container:
        parts = [(f.time, f.to_ndarray()[0]) for f in container.decode(audio=0)]
    start_s = parts[0][0]
    loud = np.flatnonzero(np.abs(np.concatenate([p for _, p in parts])) > 0.3)
    beep_s = start_s + loud[0] / RATE
    assert flash_s == pytest.approx(0.24, abs=1e-3)
    assert beep_s == pytest.approx(flash_s, abs=0.02)


def test_sound_of_a_span_is_cut_to_the_sample(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES, beeps=True)
    sound = read_sound(tmp_path / "film.mp4", 0.3, 1.7, (RATE, "mono"))
    assert sound.shape == (1, round(1.4 * RATE))
    loud = np.flatnonzero(np.abs(sound[0]) > 0.3)
    assert loud[0] / RATE == pytest.approx(0.1, abs=0.003)
    beyond = read_sound(tmp_path / "film.mp4", 2.5, 4.5, (RATE, "stereo"))
    assert beyond.shape == (2, 2 * RATE)
    assert np.abs(beyond[:, -RATE:]).max() == 0


def test_variable_frame_rate_stays_as_it_was(tmp_path):
    pts = [round(i * 40 + 15 * np.sin(i)) for i in range(FRAMES)]
    make_video(tmp_path / "vfr.mkv", frames=FRAMES, pts=pts)
    analysis = analysis_of(tmp_path / "vfr.mkv", [(10, 50)], np.array(pts) / 1000)
    (clip,) = render_clips(analysis, tmp_path, ClipSettings(size=64))
    assert clip.error is None
    with av.open(str(clip.path)) as container:
        times = [f.time for f in container.decode(video=0)]
    np.testing.assert_allclose(times, (np.array(pts[10:50]) - pts[10]) / 1000, atol=2e-3)


def test_no_sound_and_odd_sizes(tmp_path):
    make_video(tmp_path / "odd.mkv", frames=FRAMES, size=(97, 53), pix_fmt="yuv444p")
    analysis = analysis_of(tmp_path / "odd.mkv", [(0, 30)], size=(97, 53))
    (clip,) = render_clips(analysis, tmp_path, ClipSettings(size=64))
    assert clip.error is None
    with av.open(str(clip.path)) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 30


def test_a_clip_that_fails_is_said_and_leaves_nothing(tmp_path):
    make_video(tmp_path / "film.mp4", frames=FRAMES)
    analysis = analysis_of(tmp_path / "film.mp4", [(0, 30), (32, 74)])
    (tmp_path / "clips" / "person_01" / "person_01_0001.mp4").mkdir(parents=True)
    first, second = render_clips(analysis, tmp_path, ClipSettings(size=64, max_gap=1))
    assert first.error is not None
    assert second.error is None
    assert [p for p in tmp_path.rglob("*") if "partial" in p.name] == []


def test_a_source_that_is_gone_is_said(tmp_path):
    with pytest.raises(InputError, match="gone"):
        render_clips(analysis_of(tmp_path / "none.mp4", [(0, 30)]), tmp_path, ClipSettings())


def spans(intervals, **settings):
    edges = np.arange(2001) / 25
    given = [Interval(1, a, b, edges[a], edges[b]) for a, b in intervals]
    return [
        (s.start_frame, s.end_frame)
        for s in segments_of(1, given, edges, 0, ClipSettings(**settings))
    ]


def test_segments():
    assert spans([(0, 250)]) == [(0, 250)]
    assert spans([(0, 600)]) == [(0, 250), (250, 500), (500, 600)]
    assert spans([(0, 260)]) == [(0, 250)]  # the rest is shorter than a second
    assert spans([(0, 275)]) == [(0, 250), (250, 275)]
    assert spans([(0, 50), (79, 120)]) == [(0, 120)]  # a gap of 29
    assert spans([(0, 50), (80, 120)]) == [(0, 50), (80, 120)]  # a gap of 30 is cut out
    assert spans([(0, 10)]) == []


def path_of(boxes, picture=(640, 360), shots=(), known=None):
    times = np.arange(len(boxes) if known is None else known[-1] + 1) / 25
    known = np.arange(len(boxes)) if known is None else known
    return crop_path(times, known, np.array(boxes, float), shots, picture, 2.0)


def test_the_path_stays_inside_and_square():
    boxes = [(x - 40, 10, x + 40, 110) for x in np.linspace(0, 640, 100)]
    path = path_of(boxes)
    assert (path[:, :2] >= -1e-9).all()
    assert (path[:, 2] <= 640 + 1e-9).all()
    assert (path[:, 3] <= 360 + 1e-9).all()
    np.testing.assert_allclose(path[:, 2] - path[:, 0], path[:, 3] - path[:, 1])


def test_a_face_larger_than_the_picture_still_fits():
    path = path_of([(0, -100, 640, 460)] * 10)
    np.testing.assert_allclose(path[:, 3] - path[:, 1], 360)


def test_jitter_goes_and_motion_stays_in_time():
    random = np.random.default_rng(0)
    x = 320 + 120 * np.sin(np.arange(100) / 20)
    noisy = x + random.normal(0, 3, 100)
    path = path_of([(v - 30, 140, v + 30, 220) for v in noisy])
    centre = (path[:, 0] + path[:, 2]) / 2
    assert np.abs(np.diff(centre, 2)).std() < 0.1 * np.abs(np.diff(noisy, 2)).std()
    lags = [np.abs(centre[10 + k : 90 + k] - x[10:90]).mean() for k in (-3, 0, 3)]
    assert lags[1] < min(lags[0], lags[2])


def test_an_outlier_does_not_move_the_picture():
    boxes = [(290, 140, 350, 220)] * 40
    boxes[20] = (500, 140, 560, 220)
    path = path_of(boxes)
    assert np.ptp(path[:, 0]) < 0.5


def test_the_path_jumps_at_a_cut():
    path = path_of([(100, 140, 160, 220)] * 20 + [(400, 140, 460, 220)] * 20, shots=[20])
    step = np.diff((path[:, 0] + path[:, 2]) / 2)
    assert step[19] == pytest.approx(300, abs=0.01)
    assert np.abs(np.delete(step, 19)).max() < 0.01
