"""What a render may remove: clips that it wrote, as it wrote them, in the folder of clips."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetrack.core.errors import InputError
from facetrack.timeline.history import History
from facetrack.timeline.rendered import read_renders
from made.command import facetrack as command
from made.command import one_line


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out" / "clips" / "a").mkdir(parents=True)
    for name in ("clips/a/1.mp4", "clips/a/mine.mp4", "timeline.json", "../b.mp4"):
        (tmp_path / "out" / name).write_bytes(b"1234")
    return tmp_path / "out"


def committed(out, gone, *names):
    """A switch that a killed process, or whoever made the folder, left to be carried out."""
    place = out / ".history" / "rendered"
    (place / "new").mkdir(parents=True)
    (place / "change.json").write_text(json.dumps({"gone": gone}))
    for name in names:
        (place / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "new" / name).write_bytes(b"new")


def files(out):
    found = (p for p in out.parent.rglob("*") if p.is_file() and ".history" not in p.parts)
    return {p.relative_to(out.parent).as_posix(): p.read_bytes() for p in found}


def test_a_switch_is_carried_out_by_the_next_that_opens_the_folder(out):
    committed(out, {"clips/a/1.mp4": 4, "clips/a/mine.mp4": 5}, "clips/b/2.mp4", "crops.parquet")
    before = files(out)
    History(out).settle()
    del before["out/clips/a/1.mp4"]  # the other has another size: its user changed it
    new = {"out/clips/b/2.mp4": b"new", "out/crops.parquet": b"new"}
    assert files(out) == before | new
    assert not (out / ".history").exists()


NAMES = [
    "timeline.json", "../b.mp4", "clips/../timeline.json", "clips/../../b.mp4", "b.mp4", "",
    "clips", "clips/a", "clips/", "{out}/clips/a/1.mp4", "{out}/../b.mp4", "C:\\b.mp4",
    "clips/\0", "clips\\a\\1.mp4", ".history/lock", "clips/a/1.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_is_removed_whatever_a_switch_says(out, name):
    committed(out, {name.format(out=out): 4})
    before = files(out)
    with pytest.raises(InputError, match="no render writes"):
        History(out).settle()
    assert files(out) == before


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_is_taken_for_a_clip_whatever_the_list_says(out, name):
    written = {"size": 4, "sha256": "0" * 64}
    clip = {"people": [1], "frames": 1, "samples": 0, "files": {name.format(out=out): written}}
    render = {"name": None, "target": ["all"], "mode": "each", "data_set": False, "settings": {}}
    file = {"schema": "facetrack/renders/1", "source": {"path": "a.mp4"}}
    (out / "renders.json").write_text(
        json.dumps({**file, "renders": [{**render, "clips": [clip]}]})
    )
    with pytest.raises(InputError, match="no render writes"):
        read_renders(out)


@pytest.mark.parametrize("name", ["timeline.json", "people/person_01.jpg", "clips/a.txt"])
def test_a_switch_puts_nothing_else_into_the_folder(out, name):
    committed(out, {}, name)
    before = files(out)
    with pytest.raises(InputError, match="is no file of a render"):
        History(out).settle()
    assert files(out) == before


@pytest.mark.parametrize("text", ["garbage", '{"gone": 1}', "[" * 99999, '{"gone": {"a": "b"}}'])
def test_a_switch_that_cannot_be_read_is_said_and_removes_nothing(out, text):
    committed(out, {})
    (out / ".history" / "rendered" / "change.json").write_text(text)
    before = files(out)
    with pytest.raises(InputError, match="cannot be read"):
        History(out).settle()
    assert files(out) == before


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_switch_leads_through_no_link(out, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1.mp4").write_bytes(b"1234")
    (out / "clips" / "x").symlink_to(tmp_path / "mine")
    committed(out, {"clips/x/1.mp4": 4}, "clips/x/2.mp4")
    before = files(out)
    with pytest.raises(InputError, match="is a link"):
        History(out).settle()
    assert files(out) == before


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "sample")
    return tmp_path / "sample"


def rendered(folder, *arguments, code=0):
    done = command("render", folder, "--size", "64", "-q", "--target", "1", *arguments)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize("name", ["timeline.json", "clips/mine.mp4", "../mine.mp4"])
def test_a_table_of_crops_removes_nothing(folder, name):
    rendered(folder)
    (folder / "clips" / "mine.mp4").write_bytes(b"mine")
    (folder.parent / "mine.mp4").write_bytes(b"mine")
    table = pq.read_table(folder / "crops.parquet")
    clips = pa.array([name] * len(table))
    pq.write_table(
        table.set_column(table.column_names.index("clip"), "clip", clips), folder / "crops.parquet"
    )
    rendered(folder, "--name", "new-{index}")
    rendered(folder)
    assert (folder / name).exists()


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_clips_are_not_written_through_a_link(folder, tmp_path):
    (tmp_path / "mine" / "person_01").mkdir(parents=True)
    mine = tmp_path / "mine" / "person_01" / "person_01_0001.mp4"
    mine.write_bytes(b"mine")
    (folder / "clips").symlink_to(tmp_path / "mine")
    assert "is a link" in one_line(rendered(folder, code=3))
    (folder / "clips").unlink()
    (folder / "clips").mkdir()
    (folder / "clips" / "person_01").symlink_to(mine.parent)
    assert "is a link" in one_line(rendered(folder, code=3))
    assert mine.read_bytes() == b"mine"
    assert list(mine.parent.iterdir()) == [mine]


@pytest.mark.parametrize("name", ["../mine.mp4", "/tmp/a.mp4", "a.mp4", "people/a.mp4", ""])
def test_edited_crops_name_files_in_the_folder_of_clips(folder, name):
    rendered(folder)
    table = pq.read_table(folder / "crops.parquet")
    clips = pa.array([name] * len(table))
    edited = table.set_column(table.column_names.index("clip"), "clip", clips)
    pq.write_table(edited, folder.parent / "edited.parquet")
    said = one_line(rendered(folder, "--crops", folder.parent / "edited.parquet", code=3))
    assert "no file in the folder clips/" in said


def people_file(folder, text):
    (folder.parent / "people.toml").write_text(text)
    return "--people", folder.parent / "people.toml", "--target", "Ada"


@pytest.mark.parametrize("name", ["/dev/zero", "../a.jpg", "sample/../../a.jpg", "C:\\a.jpg", ""])
def test_a_people_file_names_photos_beside_it(folder, name):
    text = f"Ada = {json.dumps(name)}\n"
    assert "only files inside" in one_line(rendered(folder, *people_file(folder, text), code=3))


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX's")
def test_a_photo_of_a_people_file_is_a_regular_file(folder):
    os.mkfifo(folder.parent / "fifo.jpg")
    (folder.parent / "link.jpg").symlink_to(folder / "people" / "person_01.jpg")
    for name, kind in (("fifo.jpg", "a FIFO"), ("link.jpg", "a link")):
        said = rendered(folder, *people_file(folder, f'Ada = "{name}"\n'), code=3)
        assert kind in one_line(said)
    shutil.copy(folder / "people" / "person_01.jpg", folder.parent / "ada.jpg")
    rendered(folder, *people_file(folder, 'Ada = "ada.jpg"\n'))
