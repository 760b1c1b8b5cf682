"""Clips of several renders in one folder: each replaces its own, after the new ones are whole."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import facetrack
from facetrack.api.render import render_beside
from facetrack.clips.camera.crops import read_crops
from facetrack.core.errors import InputError, OutputError, UsageError
from facetrack.core.folder_lock import HISTORY
from facetrack.core.settings import ClipSettings
from facetrack.timeline.rendered import read_renders


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def rendered(analysis, out, **settings):
    made, replaced = render_beside(analysis, out, ClipSettings(size=64, **settings))
    assert [clip.error for clip in made] == [None] * len(made)
    return replaced


def clips(out):
    return sorted(p.relative_to(out).as_posix() for p in (out / "clips").rglob("*") if p.is_file())


def listed(out):
    """The clips of ``crops.parquet``."""
    return sorted(pq.read_table(out / "crops.parquet")["clip"].unique().to_pylist())


def contents(out):
    return {name: (out / name).read_bytes() for name in clips(out)}


ONE = ["clips/person_01/person_01_0001.mp4", "clips/person_01/person_01_0002.mp4"]
TWO = ["clips/person_02/person_02_0001.mp4", "clips/person_02/person_02_0002.mp4"]


def test_a_render_of_one_person_leaves_the_clips_of_the_others(demo_analysis, folder):
    rendered(demo_analysis, folder, target=("1", "2"))
    before = contents(folder)
    assert sorted(before) == listed(folder) == ONE + TWO
    replaced = rendered(demo_analysis, folder, target=("2",), quality=20)
    assert (replaced.clips, replaced.others, replaced.crops) == (TWO, 2, None)
    after = contents(folder)
    assert sorted(after) == listed(folder) == ONE + TWO
    assert [after[n] == before[n] for n in ONE + TWO] == [True, True, False, False]
    assert [c.path.as_posix() for c in read_crops(folder / "crops.parquet")] == TWO + ONE
    assert not (folder / ".history").exists()


def test_clips_under_another_name_or_in_another_folder_lie_beside(demo_analysis, folder, tmp_path):
    rendered(demo_analysis, folder, target=("2",))
    before = contents(folder)
    assert rendered(demo_analysis, folder, target=("2",), name="big/{person}_{index}").clips == []
    named = ["clips/big/2_1.mp4", "clips/big/2_2.mp4"]
    assert listed(folder) == clips(folder) == named + TWO
    rendered(demo_analysis, tmp_path / "other", target=("2",))
    assert clips(tmp_path / "other") == listed(tmp_path / "other") == TWO
    assert {n: d for n, d in contents(folder).items() if n in before} == before


def test_the_same_render_again_replaces_clips_that_are_no_more(demo_analysis, folder):
    rendered(demo_analysis, folder, target=("all",), segment_length_s=3.0)
    first = clips(folder)
    assert "clips/person_01/person_01_0004.mp4" in first
    assert len([name for name in first if "person_03" in name]) == 1
    one_less = facetrack.Analysis.load(folder)
    data = json.loads((folder / "timeline.json").read_text())
    data["intervals"] = [i for i in data["intervals"] if i["person"] != 3]
    (folder / "timeline.json").write_text(json.dumps(data))
    one_less = facetrack.Analysis.load(folder)
    replaced = rendered(one_less, folder, target=("all",), segment_length_s=10.0)
    assert replaced.clips == first
    assert "clips/person_01/person_01_0004.mp4" not in clips(folder)
    assert not (folder / "clips" / "person_03").exists()
    assert clips(folder) == listed(folder)


def test_files_that_no_render_wrote_are_neither_removed_nor_replaced(demo_analysis, folder):
    rendered(demo_analysis, folder, target=("2",))
    mine = folder / "clips" / "person_02" / "mine.mp4"
    mine.write_text("not made by facetrack")
    rendered(demo_analysis, folder, target=("2",))
    assert mine.read_text() == "not made by facetrack"
    theirs = folder / "clips" / "person_01" / "person_01_0002.mp4"
    theirs.parent.mkdir()
    theirs.write_text("cut by hand")
    before = contents(folder)
    with pytest.raises(OutputError, match=r"person_01_0002.mp4 is there, and is not as a render"):
        facetrack.render(demo_analysis, folder, ClipSettings(target=("1",), size=64))
    (folder / TWO[0]).write_bytes(b"edited by hand")
    with pytest.raises(OutputError, match=r"person_02_0001.mp4 is there"):
        facetrack.render(demo_analysis, folder, ClipSettings(target=("2",), size=64))
    assert contents(folder) == before | {TWO[0]: b"edited by hand"}


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_name_that_is_taken_by_something_else_is_said(demo_analysis, folder, tmp_path, kind):
    place = folder / TWO[0]
    place.parent.mkdir(parents=True)
    canary = tmp_path / "canary"
    canary.write_text("mine")
    place.mkdir() if kind == "folder" else place.symlink_to(canary)
    with pytest.raises(OutputError, match=r"person_02_0001.mp4 is there"):
        facetrack.render(demo_analysis, folder, ClipSettings(target=("2",), size=64))
    assert canary.read_text() == "mine"
    assert os.path.lexists(place)


def test_a_folder_of_clips_that_is_a_link_is_refused(demo_analysis, folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "clips").symlink_to(elsewhere)
    with pytest.raises(InputError, match="clips"):
        facetrack.render(demo_analysis, folder, ClipSettings(target=("2",), size=64))
    assert list(elsewhere.iterdir()) == []


def test_an_interrupted_render_leaves_everything_as_it_was(demo_analysis, folder):
    rendered(demo_analysis, folder, target=("2",))

    def everything():  # but clips that the next render may keep
        files = (p for p in folder.rglob("*") if p.is_file() and HISTORY not in p.parts)
        return {p: p.read_bytes() for p in files}

    def interrupt(_):
        raise KeyboardInterrupt

    before = everything()

    with pytest.raises(KeyboardInterrupt):
        facetrack.render(
            demo_analysis, folder, ClipSettings(target=("all",), size=128), on_clip=interrupt
        )
    assert everything() == before


def test_crops_that_were_edited_are_kept_beside(demo_analysis, folder):
    rendered(demo_analysis, folder, target=("2",))
    crops = folder / "crops.parquet"
    table = pq.read_table(crops)
    edited = table.set_column(4, "x", [pq.read_table(crops)["x"].to_numpy() + 1])
    pq.write_table(edited, crops)
    data = crops.read_bytes()
    replaced = rendered(demo_analysis, folder, target=("2",))
    assert replaced.crops == folder / "crops.edited.parquet"
    assert replaced.crops.read_bytes() == data
    assert rendered(demo_analysis, folder, target=("2",)).crops is None


def test_a_folder_of_the_first_version_is_rendered_again(demo_analysis, folder):
    """It has no list of renders; the clips that its crops name are replaced, others stay."""
    rendered(demo_analysis, folder, target=("2",), segment_length_s=1.0)
    (folder / "renders.json").unlink()
    before = clips(folder)
    rendered(demo_analysis, folder, target=("2",))
    assert clips(folder) == before
    assert [c.path for c in read_renders(folder).clips] == TWO


def test_a_data_set_is_not_torn_in_silence(demo_analysis, folder):
    def data_set(**settings):
        return render_beside(
            demo_analysis, folder, ClipSettings(preset="talking-head", size=64, **settings)
        )

    data_set(target=("1", "2"))
    manifest = folder / "clips" / "manifest.jsonl"
    files = [name for name in clips(folder) if "person_02" in name]
    assert {Path(name).suffix for name in files} == {".mp4", ".wav"}
    with pytest.raises(UsageError, match=r"clips of another data set \(target 1, 2\); make this"):
        data_set(target=("2",))
    rendered(demo_analysis, folder, target=("3",))
    assert manifest.exists()
    replaced = rendered(demo_analysis, folder, target=("2",))
    assert not manifest.exists()  # it would list clips that are no more
    assert [name for name in clips(folder) if "person_02" in name] == replaced.clips == TWO
    assert [name for name in clips(folder) if "person_01" in name and name.endswith(".wav")]
