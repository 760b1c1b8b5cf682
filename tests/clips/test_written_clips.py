"""What a render may remove: clips that it wrote, as it wrote them, in the folder of clips."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetrack.clips.render.written_clips import LIST, add_written, remove_written
from facetrack.core.errors import InputError
from made.command import facetrack as command
from made.command import one_line


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out" / "clips" / "a").mkdir(parents=True)
    for name in ("clips/a/1.mp4", "clips/a/1.wav", "clips/a/mine.mp4", "timeline.json", "../b.mp4"):
        (tmp_path / "out" / name).write_bytes(b"1234")
    return tmp_path / "out"


def listed(out, *names, size=4):
    lines = (json.dumps({"path": name, "bytes": size}) + "\n" for name in names)
    (out / LIST).write_text("".join(lines))


def files(out):
    found = (p.relative_to(out.parent).as_posix() for p in out.parent.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.endswith(LIST))


def test_clips_that_were_written_are_removed(out):
    for name in ("clips/a/1.mp4", "clips/a/1.wav"):
        add_written(out, out / name)
    remove_written(out)
    assert files(out) == ["b.mp4", "out/clips/a/mine.mp4", "out/timeline.json"]
    assert not (out / LIST).exists()
    remove_written(out)  # where there is no list nothing is removed
    assert len(files(out)) == 3


def test_a_clip_that_was_changed_stays(out):
    add_written(out, out / "clips" / "a" / "1.mp4")
    (out / "clips" / "a" / "1.mp4").write_bytes(b"cut by its owner")
    before = files(out)
    remove_written(out)
    assert files(out) == before


@pytest.mark.parametrize(
    "name",
    [
        "timeline.json", "../b.mp4", "clips/../timeline.json", "clips/../../b.mp4", "b.mp4", "",
        "clips", "clips/a", "clips/", "{out}/clips/a/1.mp4", "{out}/../b.mp4", "C:\\b.mp4",
        "clips/\0", "clips\\a\\1.mp4",
    ],
)  # fmt: skip
def test_nothing_else_is_removed_whatever_the_list_says(out, name):
    listed(out, name.format(out=out))
    before = files(out)
    remove_written(out)
    assert files(out) == before


@pytest.mark.parametrize(
    "text", ["garbage", '{"path": 1, "bytes": 4}', "[" * 99999, '{"path": "clips/a/1.mp4"}', "\0"]
)
def test_lines_that_cannot_be_read_remove_nothing(out, text):
    (out / LIST).write_text(f"{text}\n" + json.dumps({"path": "clips/a/1.wav", "bytes": 4}) + "\n")
    remove_written(out)
    assert (out / "clips" / "a" / "1.mp4").exists()
    assert not (out / "clips" / "a" / "1.wav").exists()


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_links_are_not_followed(out, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "1.mp4").write_bytes(b"1234")
    (out / "clips" / "x").symlink_to(tmp_path / "mine")
    listed(out, "clips/x/1.mp4")
    before = files(out)
    remove_written(out)
    assert files(out) == before
    (out / LIST).symlink_to(tmp_path / "mine" / "1.mp4")
    for use in (remove_written, lambda out: add_written(out, out / "clips" / "a" / "1.mp4")):
        with pytest.raises(InputError, match="is a link"):
            use(out)
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
    assert (folder / name).exists()
    assert not (folder / "clips" / "person_01").exists()  # that were ours and are listed


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
