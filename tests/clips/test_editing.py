"""Clips from the command line: chosen, made again after corrections by hand, left out aloud."""

import json
import re

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import facetrack
from made.command import facetrack as command
from made.command import one_line
from made.media import make_video


@pytest.fixture
def folder(demo_analysis, tmp_path):
    """A copy of its own, to be edited."""
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def rendered(folder, *arguments, code=0):
    done = command("render", folder, "--size", "64", "--quiet", *arguments)
    assert done.returncode == code, done.stderr
    return done.stderr


def clips(folder):
    found = sorted((folder / "clips").rglob("*.mp4"))
    return {p.relative_to(folder / "clips").as_posix(): frames(p) for p in found}


def frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def edit_timeline(folder, change):
    path = folder / "timeline.json"
    timeline = json.loads(path.read_text())
    change(timeline)
    path.write_text(json.dumps(timeline))


def test_an_edited_timeline_is_rendered(folder):
    """A name, an interval made shorter, and two people who are one."""

    def change(timeline):
        timeline["people"][0]["name"] = "Ada"
        first = next(i for i in timeline["intervals"] if i["person"] == 1)
        first["end_frame"] = 50
        for one in timeline["tracks"] + timeline["intervals"]:
            one["person"] = 3 if one["person"] == 4 else one["person"]

    edit_timeline(folder, change)
    rendered(folder, "--target", "ada", "--name", "{name}-{index}")
    assert clips(folder) == {"Ada-1.mp4": 50, "Ada-2.mp4": 100}
    again = facetrack.Analysis.load(folder)
    assert 4 not in again.faces["person"].to_pylist()
    rendered(folder, "--target", "3")
    named = {"Ada-1.mp4": 50, "Ada-2.mp4": 100}
    assert clips(folder) == named | {"person_03/person_03_0001.mp4": 75}


def test_a_timeline_that_was_edited_wrongly_is_said(folder):
    edit_timeline(folder, lambda t: t["intervals"][0].update(end_frame=9999))
    assert "frames 0 to 9999; the video's are 0 to 485" in one_line(rendered(folder, code=3))
    edit_timeline(folder, lambda t: t["intervals"][0].update(end_frame=9, person=99))
    assert "person 99, who is not among" in one_line(rendered(folder, code=3))


def test_edited_crops_are_rendered(folder):
    """The crop moved to the wall at the left, and one of two clips left out."""
    rendered(folder, "--target", "1")
    assert len(clips(folder)) == 2
    table = pq.read_table(folder / "crops.parquet")
    only = table.filter(pa.compute.equal(table["clip"], table["clip"][0]))
    x = only["width"].to_numpy() / 2
    edited = only.set_column(only.column_names.index("x"), "x", pa.array(x))
    pq.write_table(edited, folder / "edited.parquet")
    before = image(folder / "clips" / "person_01" / "person_01_0001.mp4")
    rendered(folder, "--crops", folder / "edited.parquet")
    assert clips(folder) == {"person_01/person_01_0001.mp4": 125}
    after = image(folder / "clips" / "person_01" / "person_01_0001.mp4")
    assert np.abs(before - after).mean() > 10
    np.testing.assert_allclose(pq.read_table(folder / "crops.parquet")["x"].to_numpy(), x)
    message = rendered(folder, "--crops", folder / "faces.parquet", code=3)
    assert "is no crop file" in one_line(message)
    assert len(clips(folder)) == 1  # what was there stays when nothing can be made
    rendered(folder, "--crops", folder / "crops.parquet", "--codec", "prores")
    assert clips(folder) == {}
    assert frames(folder / "clips" / "person_01" / "person_01_0001.mov") == 125


def image(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray").astype(float)


def test_a_photo_of_one_alone_is_asked_for_before_the_analysis(pyfeat_data, tmp_path):
    video = pyfeat_data / "single_face.mp4"
    for name, words in (("multi_face.jpg", "5 faces"), ("free-mountain-vector-01.jpg", "no face")):
        photo = pyfeat_data / name
        done = command("run", video, "-o", tmp_path / "out", "-q", "--target", photo)
        assert done.returncode == 4
        assert words in one_line(done.stderr)
        assert not (tmp_path / "out").exists()


def test_people_side_by_side_by_names(folder, tmp_path):
    (tmp_path / "people.toml").write_text("Ada = 1\nBo = 2\n")
    rendered(
        folder, "--target", "Ada", "--target", "bo", "--people", tmp_path / "people.toml",
        "--mode", "split", "--aspect", "16:9", "--name", "{source}-{name}-{index:04}",
        "--condense",
    )  # fmt: skip
    (clip,) = (folder / "clips").iterdir()
    assert clip.name == "sample-Ada+Bo-0001.mp4"
    with av.open(str(clip)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (114, 64)
        assert sum(1 for _ in container.decode(video=0)) == 125 + 60 + 51 + 100


def test_what_is_left_out_is_said(folder, tmp_path):
    message = one_line(rendered(folder, "--target", "3", "--min-length", "9"))
    assert "no clip is left; left out: 1 too short (3.00 s, 9 s needed)" in message
    done = command("render", folder, "--target", "3", "--min-length", "9", "--dry-run", "-q")
    assert "would leave out person 3  7.400 - 10.400 s: too short" in done.stdout
    message = rendered(folder, "--target", "2", "--speech-only")
    assert "no speech" in message


def test_a_preset_is_a_beginning(folder, tmp_path):
    (tmp_path / "some.toml").write_text('[clips]\npreset = "talking-head"\nface_px = 250\n')
    done = command("render", folder, "--config", tmp_path / "some.toml", "--dry-run", "--json")
    assert done.returncode == 0
    assert "person_01_0002.mp4  15.400 - 19.400 s" in done.stdout
    said = r"person 2  5\.000 - 7\.400 s: too small \(22[01] px, 250 needed\)"  # by the precision
    assert re.search(said, done.stdout)
    rendered(folder, "--preset", "talking-head", "--target", "2")
    assert sorted(p.suffix for p in (folder / "clips" / "person_02").iterdir()) == [
        ".mp4", ".mp4", ".wav", ".wav",
    ]  # fmt: skip
    assert (folder / "clips" / "manifest.jsonl").is_file()


def test_speech_only_of_a_silent_video(tmp_path, folder):
    make_video(tmp_path / "silent.mp4", frames=485, size=(640, 360))

    def change(timeline):
        timeline["source"].update(path=str(tmp_path / "silent.mp4"), has_audio=False)

    edit_timeline(folder, change)
    message = one_line(rendered(folder, "--speech-only"))
    assert "no clip is left; left out: 2 no speech (the video has no sound)" in message


@pytest.mark.parametrize("codec", ["hevc", "av1", "prores"])
def test_encoders_say_nothing_of_their_own(folder, codec):
    assert rendered(folder, "--target", "2", "--codec", codec, "--effort", "ultrafast") == ""


def test_a_video_that_is_gone_is_said_and_its_clips_stay(folder):
    rendered(folder, "--target", "2")
    before = clips(folder)
    edit_timeline(folder, lambda t: t["source"].update(path=str(folder / "gone.mp4")))
    for flags in ([], ["--speech-only"], ["--preset", "talking-head"]):
        message = one_line(rendered(folder, *flags, code=3))
        assert "gone.mp4: the video is gone; put it back" in message
    (folder / "gone.mp4").write_text("something else")
    for flags in ([], ["--speech-only"], ["--preset", "talking-head"]):
        assert "cannot be read any more" in one_line(rendered(folder, *flags, code=3))
    assert clips(folder) == before
