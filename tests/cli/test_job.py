"""The job on real videos: people, their frames, their clips, and the sound of the clips."""

import itertools
import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

import facetrack
from facetrack.core.settings import ClipSettings
from facetrack.pipeline.openvino_engine import quick_precision
from facetrack.timeline import Analysis
from made.media import join_with_hard_cuts


@pytest.fixture(scope="module")
def sample(demo_analysis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    demo_analysis.save(folder)
    return folder, demo_analysis


def test_the_samples_people_and_their_times(sample):
    """The truth is how the video was cut; one frame of tolerance."""
    _, analysis = sample
    ranges = {
        p.id: [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person == p.id]
        for p in analysis.people
    }
    assert len(ranges) == 7
    close(ranges[1], [(0, 125), (385, 485)])
    close(ranges[2], [(125, 185), (334, 385)])
    for person in range(3, 8):
        close(ranges[person], [(185, 260)])


def close(found, wanted):
    assert len(found) == len(wanted)
    assert np.abs(np.array(found) - np.array(wanted)).max() <= 1


def test_the_folder_follows_the_contract(sample):
    folder, analysis = sample
    timeline = json.loads((folder / "timeline.json").read_text())
    assert timeline["schema"] == "facetrack/timeline/1"
    assert set(timeline) >= {
        "source", "people", "tracks", "intervals", "shots", "dropped", "settings", "performance",
    }  # fmt: skip
    assert timeline["source"]["fps"] == "25/1"
    faces = pq.read_table(folder / "faces.parquet")
    assert [str(t) for t in faces.schema.types][:4] == ["int32", "double", "int32", "int32"]
    frame, person = faces["frame"].to_numpy(), faces["person"].to_numpy()
    for interval in analysis.intervals:
        mine = set(frame[person == interval.person])
        assert set(range(interval.start_frame, interval.end_frame)) <= mine
    with np.load(folder / "embeddings.npz") as stored:
        for vector in stored.values():
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
    again = Analysis.load(folder)
    assert again.to_dict() == analysis.to_dict()
    assert again.faces.equals(analysis.faces)


def test_clips_show_the_person_centred_with_their_sound(sample):
    folder, analysis = sample
    made = facetrack.render(
        analysis, folder, ClipSettings(target=("1",), segment_length_s=3, size=256)
    )
    assert [c.error for c in made] == [None] * len(made)
    lengths = [round(c.segment.ranges[0].end_s - c.segment.ranges[0].start_s, 2) for c in made]
    assert lengths == pytest.approx([3.0, 2.0, 3.0, 1.0], abs=0.05)
    for clip in made:
        with av.open(str(clip.path)) as container:
            images = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        (shown,) = clip.segment.ranges
        assert len(images) == clip.frames == shown.end_frame - shown.start_frame
        with av.open(str(clip.path)) as container:
            sound = sum(f.samples for f in container.decode(audio=0))
            seconds = shown.end_s - shown.start_s
            assert sound / 48000 == pytest.approx(seconds, abs=0.045)  # whole AAC frames
    folder_files = sorted(p.name for p in (folder / "clips").rglob("*") if p.is_file())
    assert folder_files == [f"person_01_{i:04}.mp4" for i in range(1, 5)]


def test_a_face_stands_in_the_middle_of_its_clip(sample):
    folder, analysis = sample
    made = facetrack.render(analysis, folder, ClipSettings(target=("2",), size=256))
    found = facetrack.analyze(made[0].path)
    assert len(found.people) == 1
    x = (found.faces["x1"].to_numpy() + found.faces["x2"].to_numpy()) / 2
    y = (found.faces["y1"].to_numpy() + found.faces["y2"].to_numpy()) / 2
    assert np.abs(x - 128).max() < 0.1 * 256
    assert np.abs(y - 118).max() < 0.15 * 256


def test_three_people_joined_with_hard_cuts(shared_media, tmp_path):
    """Exactly three people, each from its cut to the next within one frame, one person a clip."""
    clips = [shared_media / f"{name}.mp4" for name in ("man_a", "man_b", "woman_c")]
    starts = join_with_hard_cuts(clips, tmp_path / "joined.mp4")
    analysis = facetrack.analyze(tmp_path / "joined.mp4")
    assert len(analysis.people) == 3
    ranges = sorted((i.start_frame, i.end_frame) for i in analysis.intervals)
    close(ranges, list(itertools.pairwise(starts)))
    made = facetrack.render(analysis, tmp_path / "out", ClipSettings(target=("all",)))
    assert len(made) == 3
    for clip in made:
        again = facetrack.analyze(clip.path)
        assert len(again.people) == 1
        assert np.abs(np.diff(again.frame_times)).max() < 0.05


def test_concert_is_cut_where_it_is_cut(shared_media):
    """Shots by eye: 20, 82, 211; the singer is one person over both of his shots."""
    analysis = facetrack.analyze(shared_media / "concert_cuts.mp4")
    assert [s.start_frame for s in analysis.shots] == [0, 20, 82, 211]
    singer = [(i.start_frame, i.end_frame) for i in analysis.intervals if i.person == 1]
    close(singer, [(0, 20), (82, 211)])


def test_same_input_same_output(pyfeat_data):
    first, second = (facetrack.analyze(pyfeat_data / "single_face.mp4") for _ in range(2))
    assert first.faces.equals(second.faces)
    for track, vector in first.embeddings.items():
        np.testing.assert_array_equal(vector, second.embeddings[track])


def test_everybody_in_the_crowd_is_somebody_of_their_own(shared_media):
    """By eye: eight people can be told; the two boys and the white-haired woman walk in front.

    Where the CPU computes in float32, one of them is two.
    """
    analysis = facetrack.analyze(shared_media / "crowd_1080p.mp4")
    people, least = (8, 90) if quick_precision() == "bf16" else (9, 86)
    assert len(analysis.people) == people
    assert all(p.frames >= least for p in analysis.people[:3])
    assert [len(analysis.shots), analysis.shots[0].end_frame] == [1, 105]
    known = analysis.faces.filter(analysis.faces["person"].to_numpy() > 0)
    rows = list(zip(known["frame"].to_pylist(), known["person"].to_pylist(), strict=True))
    detected = [
        r for r, s in zip(rows, known["source"].to_pylist(), strict=True) if s == "detected"
    ]
    assert len(detected) == len(set(detected))
    reasons = {d.reason for d in analysis.dropped}
    assert reasons <= {"too short", "too small", "unsure", "not a face"}
    tracks = {t.id: t.person for t in analysis.tracks}
    assert {t for t, person in tracks.items() if not person} == {d.track for d in analysis.dropped}
