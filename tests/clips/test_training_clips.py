"""Data sets for training: one face a clip, its sound, its manifest, and what was left out."""

import json
import wave
from dataclasses import replace

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

import facetrack
from facetrack.core.settings import PRESETS, ClipSettings
from facetrack.identity.editing import forgotten


def talking_head(**changed):
    return ClipSettings(**{"preset": "talking-head", **PRESETS["talking-head"], **changed})


@pytest.fixture(scope="module")
def sample(demo_analysis, tmp_path_factory):
    """The demo's data set."""
    folder = tmp_path_factory.mktemp("sample")
    made = facetrack.render(demo_analysis, folder, talking_head())
    assert [clip.error for clip in made] == [None] * len(made)
    return folder, demo_analysis


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_clip_shows_one_face_at_25_frames_and_16_khz(sample, analysed):
    out, analysis = sample
    manifest = lines(out / "clips" / "manifest.jsonl")
    assert [line["person"] for line in manifest] == [1, 1, 2, 2]
    assert len({line["track"] for line in manifest}) == 4
    for line in manifest:
        with av.open(str(out / line["clip"])) as clip:
            stream = clip.streams.video[0]
            times = [float(f.pts * stream.time_base) for f in clip.decode(video=0)]
            assert (stream.width, stream.height) == (line["width"], line["height"])
        np.testing.assert_allclose(times, np.arange(line["frames"]) / 25, atol=1e-4)
        with wave.open(str(out / line["wav"])) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (16000, 1)
            assert sound.getnframes() == line["samples"] == line["frames"] * 640
        assert line["sound_error"] is None
        assert not [
            s for s in analysis.shots if line["start_frame"] < s.start_frame < line["end_frame"]
        ]
        again = analysed(out / line["clip"])
        frames = again.faces["frame"].to_numpy()
        assert len(again.people) == 1
        np.testing.assert_array_equal(frames, np.arange(line["frames"]))


def test_crops_and_landmarks_of_every_frame_are_listed(sample, analysed):
    out, analysis = sample
    images = pq.read_table(out / "clips" / "pictures.parquet")
    for line in lines(out / "clips" / "manifest.jsonl"):
        mine = images.filter(np.array(images["clip"].to_pylist()) == line["clip"])
        np.testing.assert_array_equal(mine["picture"].to_numpy(), np.arange(line["frames"]))
        times = analysis.frame_times[mine["frame"].to_numpy()]
        np.testing.assert_array_equal(mine["source_s"].to_numpy(), times)
        again = analysed(out / line["clip"]).faces
        found = np.array(again["landmarks"].to_pylist())
        listed = np.array(mine["landmarks"].to_pylist())
        height = mine["y2"].to_numpy() - mine["y1"].to_numpy()
        off = np.abs(found - listed).mean(axis=1) / height
        assert np.median(off) < 0.03


def test_nothing_vanishes_silently(sample):
    """Each frame of each person is in a clip, or left out with a reason."""
    out, analysis = sample
    kept = lines(out / "clips" / "manifest.jsonl")
    left_out = lines(out / "clips" / "left_out.jsonl")
    for person in analysis.people:
        mine = [line for line in kept + left_out if line["person"] == person.id]
        frames = sorted(f for line in mine for f in range(line["start_frame"], line["end_frame"]))
        on_screen = [
            f for i in analysis.intervals if i.person == person.id
            for f in range(i.start_frame, i.end_frame)
        ]  # fmt: skip
        assert frames == sorted(on_screen)
    assert {line["person"]: line["reason"] for line in left_out} == dict.fromkeys(
        range(3, 8), "another face"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"face_px": 250}, "too small"),
        ({"frontality": 0.99}, "turned away"),
        ({"min_length_s": 2.45}, "too short"),
    ],
)
def test_what_is_asked_of_a_face(sample, changed, reason):
    _, analysis = sample
    plan = facetrack.plan(analysis, talking_head(target=("2",), **changed))
    assert {one.reason for one in plan.rejected} >= {reason}
    frames = sum(one.frame_range.end_frame - one.frame_range.start_frame for one in plan.rejected)
    frames += sum(clip.segment.ranges[0].end_frame - clip.segment.ranges[0].start_frame
                  for clip in plan.training_clips)  # fmt: skip
    assert frames == analysis.people[1].frames
    if reason == "too small":
        assert plan.training_clips == []


def test_nobody_is_shown_beside_somebody_forgotten(demo_analysis):
    """Their place in the frame is no longer known."""
    gone = forgotten(demo_analysis, [3])
    plan = facetrack.plan(gone, talking_head())
    left = {one.people: one.reason for one in plan.rejected if one.frame_range.start_frame == 185}
    assert set(left) == {(4,), (5,), (6,), (7,)}
    assert set(left.values()) <= {"another face", "somebody forgotten"}
    assert "another face" in left.values()
    alone = forgotten(demo_analysis, [3, 4, 5, 6])
    (one,) = [one for one in facetrack.plan(alone, talking_head()).rejected if one.people == (7,)]
    assert (one.reason, one.detail) == ("somebody forgotten", "in the picture")


def test_a_blurred_face_is_left_out(pyfeat_data, tmp_path):
    """The same film twice, once out of focus, by one analysis; 30 frames a second become 25."""
    video = pyfeat_data / "single_face.mp4"
    analysis = facetrack.analyze(video)
    sharp = facetrack.plan(analysis, talking_head())
    assert [len(clip.frames) for clip in sharp.clips] == [60]
    assert sharp.training_clips[0].sharpness > 0.8
    with av.open(str(video)) as source, av.open(str(tmp_path / "soft.mp4"), "w") as made:
        stream = made.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for i, frame in enumerate(source.decode(video=0)):
            soft = frame.to_image().filter(ImageFilter.GaussianBlur(6))
            image = av.VideoFrame.from_ndarray(np.asarray(soft), "rgb24")
            image.pts = i
            made.mux(stream.encode(image))
        made.mux(stream.encode(None))
    soft = replace(analysis, info=replace(analysis.info, path=tmp_path / "soft.mp4"))
    plan = facetrack.plan(soft, talking_head())
    assert plan.clips == []
    assert [one.reason for one in plan.rejected] == ["blurred"]


def test_no_sound_no_wav(pyfeat_data, tmp_path):
    image = Image.open(pyfeat_data / "single_face.jpg").convert("RGB")
    side = min(image.size) // 2 * 2
    image = np.asarray(image.crop((0, 0, side, side)).resize((360, 360)))
    with av.open(str(tmp_path / "still.mp4"), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width = stream.height = 360
        stream.pix_fmt = "yuv420p"
        for _ in range(60):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        made.mux(stream.encode(None))
    analysis = facetrack.analyze(tmp_path / "still.mp4")
    facetrack.render(analysis, tmp_path, talking_head(face_px=24, sharpness=0.0))
    (line,) = lines(tmp_path / "clips" / "manifest.jsonl")
    assert (line["wav"], line["sample_rate"], line["samples"]) == (None, None, None)
    assert list(tmp_path.rglob("*.wav")) == []
