"""Result folders made by somebody else: commands change nothing outside, and read nothing there."""

import base64
import hashlib
import json
import os
import shutil

import pytest

from facetrack.core.errors import InputError
from facetrack.timeline import Analysis
from made.command import facetrack as command
from made.command import one_line

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX's")
SECRET = b"not for this folder" * 3


@pytest.fixture
def folder(demo_analysis, tmp_path):
    """A result; beside it a tree of the user's own that must stay as it is."""
    demo_analysis.save(tmp_path / "received")
    for name in ("next/a", "new/a", "a.jpg", "person_01.jpg", "old/a", "manifest.jsonl"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SECRET)
    before = contents(tmp_path / "mine")
    yield tmp_path / "received"
    assert contents(tmp_path / "mine") == before


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def refused(*arguments):
    done = command(*arguments)
    assert done.returncode == 3, done.stderr
    return one_line(done.stderr)


def committed(folder, name="0001", **facts):
    """An edit as a killed process leaves it; the next command finishes it."""
    step = folder / ".history" / name
    for part in ("new", "old"):
        (step / part).mkdir(parents=True)
    state = hashlib.sha256((folder / "timeline.json").read_bytes()).hexdigest()
    change = {"what": "edit", "gone": [], "came": [], "state": state} | facts
    (step / "change.json").write_text(json.dumps(change))
    return step


NAMES = [
    "{mine}/a.jpg", "../mine/a.jpg", "people/../../mine/a.jpg", "people/a/../../../mine/a.jpg", "",
    "..", "clips/a.mp4", "report.html", ".history/lock", "people/a.jpg\0", "people\\a.jpg", "C:\\a",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_removes_only_files_that_edits_have(folder, name):
    committed(folder, gone=[name.format(mine=folder.parent / "mine")])
    with pytest.raises(InputError, match=r"change\.json names") as raised:
        Analysis.load(folder)
    assert str(folder) in one_line(str(raised.value))


@pytest.mark.parametrize("arguments", [("people",), ("report",), ("people", "undo")])
def test_commands_remove_only_files_that_edits_have(folder, arguments):
    name = str(folder.parent / "mine" / "a.jpg")
    if arguments[-1] == "undo":
        step = committed(folder, came=[name])
        shutil.rmtree(step / "new")
    else:
        committed(folder, gone=[name])
    assert "change.json names" in refused(*arguments, folder)


@pytest.mark.parametrize(
    "facts", [{"gone": 1}, {"gone": [1]}, {"came": {}}, {"what": None}, {"state": []}]
)
def test_a_change_of_other_types_is_one_line(folder, facts):
    committed(folder, **facts)
    with pytest.raises(InputError, match=r"change\.json cannot be read"):
        Analysis.load(folder)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{" * 9, "[" * 99999, "\0", '"\\ud800"'])
def test_a_change_that_is_garbage_is_one_line(folder, text):
    (committed(folder) / "change.json").write_text(text)
    with pytest.raises(InputError, match=r"change\.json cannot be read"):
        Analysis.load(folder)


def test_a_known_file_is_still_removed(folder):
    """What a killed process had committed is finished."""
    committed(folder, gone=["people/person_07.jpg"])
    (folder / "people" / "extra.jpg").write_bytes(b"")
    done = command("people", "undo", folder)
    assert done.returncode == 3  # timeline.json lists the thumbnail that is gone
    assert not (folder / "people" / "person_07.jpg").exists()
    assert (folder / "people" / "extra.jpg").exists()


def link_history(folder):
    (folder / ".history").symlink_to(folder.parent / "mine")


def link_step(folder):
    (folder / ".history").mkdir()
    (folder / ".history" / "0001").symlink_to(folder.parent / "mine")


def link_new(folder):
    step = committed(folder)
    shutil.rmtree(step / "new")
    (step / "new").symlink_to(folder.parent / "mine")


def link_new_people(folder):
    (committed(folder) / "new" / "people").symlink_to(folder.parent / "mine")


def link_new_file(folder):
    (committed(folder) / "new" / "timeline.json").symlink_to(folder.parent / "mine" / "a.jpg")


def link_next(folder):
    (folder / ".history").mkdir()
    (folder / ".history" / "next").symlink_to(folder.parent / "mine")


def link_undo(folder):
    (folder / ".history").mkdir()
    (folder / ".history" / "undo").symlink_to(folder.parent / "mine")


def link_people(folder):
    shutil.rmtree(folder / "people")
    (folder / "people").symlink_to(folder.parent / "mine")


def link_lock(folder):
    (folder / ".history").mkdir()
    (folder / ".history" / "lock").symlink_to(folder.parent / "mine" / "made by sqlite")


def fifo_lock(folder):
    (folder / ".history").mkdir()
    os.mkfifo(folder / ".history" / "lock")


def fifo_change(folder):
    step = committed(folder)
    (step / "change.json").unlink()
    os.mkfifo(step / "change.json")


def file_history(folder):
    (folder / ".history").write_text("garbage")


@pytest.mark.parametrize(
    "spoil",
    [
        link_history, link_step, link_new, link_new_people, link_new_file, link_next, link_undo,
        link_people, link_lock, fifo_lock, fifo_change, file_history,
    ],
)  # fmt: skip
def test_an_edit_never_goes_through_a_link(folder, spoil):
    spoil(folder)
    assert str(folder) in refused("people", "name", folder, "1", "Ada")


def edit_timeline(folder, change):
    path = folder / "timeline.json"
    timeline = json.loads(path.read_text())
    change(timeline)
    path.write_text(json.dumps(timeline))


@pytest.mark.parametrize(
    "name",
    [
        "{mine}/a.jpg", "../mine/a.jpg", "people/../../mine/a.jpg", "timeline.json", "/dev/zero",
        ".history/0001/old/people/a.jpg", "people", "people/", "people/\0.jpg", "\\\\host\\a.jpg",
        "people\\a.jpg", "people/none.jpg",
    ],
)  # fmt: skip
def test_a_thumbnail_is_a_jpeg_of_the_folder(folder, name):
    name = name.format(mine=folder.parent / "mine")
    edit_timeline(folder, lambda t: t["people"][0].update(thumbnail=name))
    (folder / "report.html").unlink(missing_ok=True)
    assert str(folder) in refused("report", folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("part", ["people", "people/person_01.jpg"])
def test_a_thumbnail_is_not_read_through_a_link(folder, part):
    mine = folder.parent / "mine"
    edit_timeline(folder, lambda t: [p.update(thumbnail=None) for p in t["people"][1:]])
    if part == "people":
        link_people(folder)
    else:
        (folder / part).unlink()
        (folder / part).symlink_to(mine / "a.jpg")
    assert "is a link" in refused("report", folder)
    page = folder / "report.html"
    assert not page.exists() or base64.b64encode(SECRET) not in page.read_bytes()


FILES = [
    "faces.parquet", "frames.parquet", "embeddings.npz", "metrics.jsonl", "people/person_01.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["fifo", "device", "link", "folder", "sparse"])
def test_every_file_of_a_folder_is_a_regular_one_of_a_sensible_size(folder, name, kind):
    path = folder / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else folder.parent / "mine" / "a.jpg")
    with pytest.raises(InputError, match=name):
        Analysis.load(folder)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_lies_beside_a_folder_is_not_waited_for(folder, kind):
    beside = folder.parent / "people.json"
    os.mkfifo(beside) if kind == "fifo" else beside.symlink_to("/dev/zero")
    done = command("people", "name", folder, "1", "Ada")
    assert done.returncode == 0, done.stderr


def test_a_set_does_not_lead_to_folders_elsewhere(folder, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x").symlink_to(folder)
    before = contents(folder)
    done = command("people", "join", tmp_path / "set")
    assert done.returncode == 3
    assert "no folder holds an analysis; nothing is joined" in done.stderr
    assert contents(folder) == before


def test_an_export_does_not_leave_through_a_link(folder):
    (folder / "exports").symlink_to(folder.parent / "mine")
    assert "is a link" in refused("export", folder, "--format", "csv")
