"""The examples as users start them, and what their docstrings promise of them."""

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"


def started(name, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(demo_analysis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    demo_analysis.save(folder)
    return folder


def test_each_is_short_and_says_how_it_is_run():
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert len(scripts) == 5
    for script in scripts:
        text = script.read_text()
        assert len(text.splitlines()) < 40, script
        assert f"python examples/{script.name} " in (ast.get_docstring(ast.parse(text)) or "")
        assert script.name in Path(__file__).read_text(), "is tested here"


def test_clips_of_one_person(folder, pyfeat_data, tmp_path):
    """The man of the sample, by a photo of him, from an analysis that is there."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copytree(folder, out, dirs_exist_ok=True)
    done = started("clips_of_one_person.py", "sample.mp4", pyfeat_data / "single_face.jpg", out)
    ranges = re.findall(r"^ *([\d.]+) - +([\d.]+) s", done.stdout, re.MULTILINE)
    assert ranges == [("5.00", "7.40"), ("13.36", "15.40")]
    clips = sorted(out.rglob("*.mp4"))
    assert len(clips) == 2
    with av.open(str(clips[0])) as clip:
        image = clip.streams.video[0]
        assert (image.width, image.height) == (540, 960) and clip.streams.audio


def test_talking_heads(pyfeat_data, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_text("no video")
    (videos / "b.mp4").symlink_to(pyfeat_data / "single_face.mp4")
    done = started("talking_heads.py", videos, tmp_path / "set")
    assert done.stdout == f"1 clips in {tmp_path / 'set'}\n"
    assert "a.mp4: not a video" in done.stderr and len(done.stderr.splitlines()) == 1
    (clip,) = map(json.loads, (tmp_path / "set" / "manifest.jsonl").read_text().splitlines())
    assert (clip["folder"], clip["fps"], clip["width"]) == ("b", "25", 256)
    assert (tmp_path / "set" / "b" / clip["clip"]).is_file()


def test_seen_together(folder, demo_analysis):
    rows = list(csv.reader(started("seen_together.py", folder).stdout.splitlines()))
    names = [p.name for p in demo_analysis.people]
    assert rows[0][1:] == [row[0] for row in rows[1:]] == names
    seconds = [[float(s) for s in row[1:]] for row in rows[1:]]
    assert [seconds[i][i] for i in range(7)] == [p.seconds for p in demo_analysis.people]
    assert seconds[0][1:] == [0.0] * 6  # she is always alone
    assert seconds[2][3:] == [3.0] * 4  # the five of the photo


def test_faces_to_folder(folder, demo_analysis, tmp_path):
    done = started("faces_to_folder.py", folder, "person 2", tmp_path)
    rows = list(csv.DictReader((tmp_path / "faces.csv").read_text().splitlines()))
    assert done.stdout == f"{len(rows)} faces of Person 2 in {tmp_path}\n" and len(rows) == 12
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [row["file"] for row in rows]
    for row in rows:
        with Image.open(tmp_path / row["file"]) as image:
            assert image.size == (224, 224)
        there = demo_analysis.on_screen(float(row["time_s"]))
        assert [p.id for p in there] == [2]


def test_live_part(pyfeat_data):
    done = started("live_part.py", pyfeat_data / "single_face.mp4", "0.9")
    assert done.stdout.splitlines() == ["    1 s  Person 1", "    2 s  Person 1"]
    assert done.stderr.splitlines()[-1] == "45 of 45 frames, 1 people so far"
