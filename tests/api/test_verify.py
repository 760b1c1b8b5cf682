"""Every file of a result is compared with its hash, and made again where it is damaged."""

import errno
import json
import os
import shutil

import pytest

from facetrack.api.render import render, write_report
from facetrack.api.repair import repair
from facetrack.api.verify import verify
from facetrack.core.errors import InputError
from facetrack.core.settings import ClipSettings
from facetrack.identity import editing
from facetrack.identity.folder import edit
from facetrack.timeline import Analysis
from facetrack.timeline.history import History
from made.command import facetrack as command


@pytest.fixture(scope="module")
def result(demo_analysis, tmp_path_factory):
    """A whole result with a data set, other clips, and somebody's name; to be copied."""
    folder = tmp_path_factory.mktemp("verify") / "sample"
    demo_analysis.save(folder)
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    edit(folder, "merge 3 4", lambda a: editing.merged(a, 3, [4]))
    analysis = Analysis.load(folder)
    render(analysis, folder, ClipSettings(preset="talking-head", target=("1", "3"), size=64))
    render(analysis, folder, ClipSettings(target=("3",), size=64))
    write_report(folder)
    return folder


@pytest.fixture
def folder(result, tmp_path):
    return shutil.copytree(result, tmp_path / "sample")


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and ".history" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def damages(data):
    """Cut short, and one byte in the middle changed."""
    middle = len(data) // 2
    return [data[:middle], data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]]


def test_a_whole_result_is_whole(folder):
    found = verify(folder)
    assert (found.findings, found.clips) == ([], 3)
    assert found.files == len(contents(folder)) - 2  # those that list the others
    done = command("verify", folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder}: {found.files} files, 3 clips: all whole\n"


def test_each_file_that_is_damaged_or_missing_is_found(folder):
    for name, data in contents(folder).items():
        path = folder / name
        path.unlink()
        found = verify(folder).bad
        lists = name in ("files.json", "renders.json")  # a result of 0.1 has none of them
        if not lists:
            assert [(f.path, f.kind) for f in found] == [(name, "missing")]
        for damaged in damages(data)[: 1 if lists else 2]:
            path.write_bytes(damaged)
            assert name in {f.path for f in verify(folder).findings}, name
        path.write_bytes(data)
    assert verify(folder).findings == []


def test_what_a_user_edited_is_no_damage(folder):
    timeline = json.loads((folder / "timeline.json").read_text())
    timeline["people"][0]["name"] = "Eve"
    (folder / "timeline.json").write_text(json.dumps(timeline))
    (found,) = verify(folder).findings
    assert (found.path, found.kind) == ("timeline.json", "edited")
    done = command("verify", folder, "--repair", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["findings"] == [
        {"path": "timeline.json", "kind": "edited", "detail": found.detail}
    ]
    assert Analysis.load(folder).people[0].name == "Eve"


MADE_FROM_FRAMES = ("people/person_01.jpg", "clips/person_03/person_03_0001.mp4")
"""What is made again from the video: the thumbnail is another choice of the same person's faces."""


@pytest.mark.parametrize(
    "names",
    [
        ["people/person_01.jpg"],
        ["report.html"],
        ["clips/person_03/person_03_0001.mp4"],
        ["clips/person_01/person_01_0001.wav", "crops.parquet"],
        ["clips/manifest.jsonl", "clips/left_out.jsonl", "clips/pictures.parquet"],
        ["timeline.json"],
        ["faces.parquet", "frames.parquet", "embeddings.npz", "people/person_02.jpg"],
        ["files.json"],
    ],
)
def test_what_is_lost_is_made_again_and_nothing_else_is_touched(folder, names):
    before = contents(folder)
    times = {name: (folder / name).stat().st_mtime_ns for name in before}
    steps = History(folder).steps()
    for number, name in enumerate(names):
        if number % 2 or name == "files.json":
            (folder / name).write_bytes(before[name][:-9])
        else:
            (folder / name).unlink()
    found = verify(folder)
    assert sorted({f.path for f in found.bad}) == sorted(names)
    repaired = repair(folder, found.bad)
    assert (repaired.problems, repaired.made) == ([], sorted(names))
    assert verify(folder).findings == []
    after = contents(folder)
    assert after.keys() == before.keys()
    may_differ = {"report.html", "files.json", "renders.json"} | set(names)
    assert [n for n in before if n not in may_differ and after[n] != before[n]] == []
    same = {*names} - {"people/person_01.jpg", "people/person_02.jpg", "report.html"}
    assert [name for name in same if after[name] != before[name]] == []
    untouched = set(before) - may_differ
    assert {n for n in untouched if (folder / n).stat().st_mtime_ns != times[n]} == set()
    assert History(folder).steps() == steps
    assert Analysis.load(folder).person("Ada").id == 2


def test_a_timeline_that_was_never_edited_is_analysed_again(pyfeat_data, tmp_path):
    video = tmp_path / "film.mp4"
    shutil.copyfile(pyfeat_data / "single_face.mp4", video)
    assert command("analyze", video, "-o", tmp_path, "-q", "--duration", 1).returncode == 0
    folder = tmp_path / "film"
    before = Analysis.load(folder)
    (folder / "timeline.json").write_text("{")
    done = command("verify", folder, "--repair")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{folder}: made again: timeline.json" in done.stdout
    after = Analysis.load(folder)
    assert after.faces.equals(before.faces)
    assert after.people == before.people


def test_without_the_video_what_needs_it_is_said(folder, demo_analysis, tmp_path, pyfeat_data):
    elsewhere = tmp_path / "films" / "other.mp4"
    elsewhere.parent.mkdir()
    shutil.copyfile(demo_analysis.info.path, elsewhere)
    timeline = (folder / "timeline.json").read_text()
    gone = timeline.replace(str(demo_analysis.info.path), str(tmp_path / "gone.mp4"))
    (folder / "timeline.json").write_text(gone)
    (folder / "people" / "person_01.jpg").unlink()
    done = command("verify", folder, "--repair")
    assert done.returncode == 3
    assert "gone.mp4" in done.stderr
    wrong = command("verify", folder, "--repair", "--video", pyfeat_data / "single_face.mp4")
    assert "is not the video that was analysed" in wrong.stderr
    done = command("verify", folder, "--repair", "--video", elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert "made again: people/person_01.jpg" in done.stdout


def test_what_holds_no_result_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no result"):
        verify(tmp_path)
    done = command("verify", tmp_path)
    assert done.returncode == 3


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "people/../../secret", "link"])
def test_no_file_from_outside_becomes_a_thumbnail(folder, tmp_path, name):
    (tmp_path / "secret").write_bytes(b"a secret")
    if name == "link":
        (folder / "people" / "person_01.jpg").unlink()
        (folder / "people" / "person_01.jpg").symlink_to(tmp_path / "secret")
    else:
        timeline = json.loads((folder / "timeline.json").read_text())
        timeline["people"][0]["thumbnail"] = name
        (folder / "timeline.json").write_text(json.dumps(timeline))
    (folder / "people" / "person_02.jpg").unlink()
    repaired = repair(folder, verify(folder).bad)
    assert bool(repaired.problems) == (name != "link")  # which is replaced by the face
    assert not (folder / "people" / "person_01.jpg").is_symlink()
    files = [p for p in folder.rglob("*") if not p.is_symlink() and p.is_file()]
    assert not any(b"a secret" in p.read_bytes() for p in files)


def test_a_switch_that_was_begun_is_no_damage(folder, monkeypatch):
    """The process ended, or the disk failed, while files were moved to their places."""
    replaces = os.replace

    def fails(source, target):
        if str(target).endswith("timeline.json"):
            raise OSError(errno.EIO, "Input/output error")
        replaces(source, target)

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="Input/output"):
            edit(folder, "merge", lambda a: editing.merged(a, 1, [2]))
    assert [f for f in verify(folder).bad if f.path != "report.html"] == []
    assert len(Analysis.load(folder).people) == 6


def test_a_file_of_holes_is_not_read(folder):
    """It takes no room on a disk, and days to read."""
    (clip,) = list((folder / "clips").rglob("*.mp4"))[:1]
    with clip.open("r+b") as file:
        file.truncate(1 << 43)
    name = clip.relative_to(folder).as_posix()
    (found,) = [f for f in verify(folder).bad if f.path == name]
    assert "8796093022208 bytes instead of" in found.detail
    renders = json.loads((folder / "renders.json").read_text())
    for made in renders["renders"]:
        for listed in made["clips"]:
            if name in listed["files"]:
                listed["files"][name]["size"] = 1 << 43
    (folder / "renders.json").write_text(json.dumps(renders))
    with pytest.raises(InputError, match="output_bytes"):
        verify(folder)
