"""The parts of docs/extending.md are installed as a package of somebody else's, and run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facetrack

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder into which pip has installed the page's package."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    modules = [text for kind, text in blocks if kind == "python"]
    for module in modules:
        (source / module.splitlines()[0].removeprefix("# ")).write_text(module)
    (project,) = (text for kind, text in blocks if kind == "toml")
    (source / "pyproject.toml").write_text(project)
    assert len(modules) == 4
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def facetrack_command(*args: object, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    paths = [str(site)] if site else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, "-m", "facetrack", *map(str, args)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )


def test_all_parts_work_together(site, pyfeat_data, tmp_path):
    folder = tmp_path / "WolfgangLanger_Pexels"
    config = tmp_path / "facetrack.toml"
    config.write_text('[decode]\nduration_s = 2\n[tracking]\ntracker = "overlap"\n')
    done = facetrack_command(
        "analyze", pyfeat_data / "WolfgangLanger_Pexels.mp4", "-o", tmp_path, "--config", config,
        "--detector", "skin", "--recognizer", "colours", site=site,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    timeline = json.loads((folder / "timeline.json").read_text("utf-8"))
    assert timeline["recognizer"]["name"] == "colours"
    assert timeline["settings"]["tracking"]["tracker"] == "overlap"
    analysis = facetrack.Analysis.load(folder)
    assert analysis.people and len(analysis.faces) > 30
    assert {len(vector) for vector in analysis.embeddings.values()} == {48}
    assert np.allclose(analysis.faces["score"].to_numpy(), 0.99)
    chapters = tmp_path / "chapters.txt"
    exported = facetrack_command(
        "export", folder, "--format", "chapters", "-o", chapters, site=site
    )
    assert exported.returncode == 0, exported.stderr
    assert chapters.read_text("utf-8").startswith("00:00 Person 1")


@pytest.mark.parametrize("option", ["--detector", "--recognizer"])
def test_a_part_that_nobody_added_is_said_with_those_there_are(option, site, pyfeat_data, tmp_path):
    film = pyfeat_data / "single_face.mp4"
    done = facetrack_command("analyze", film, "-o", tmp_path, option, "nobody", site=site)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "nobody" in line
    assert ("skin" if option == "--detector" else "colours") in line


def test_doctor_lists_the_parts(site):
    said = facetrack_command("doctor", site=site).stdout
    for part in ("detectors skin", "embedders colours", "trackers overlap"):
        assert part in said
    assert "mine 1.0" in said


def test_a_part_that_lacks_something_is_said(site, pyfeat_data, tmp_path):
    module = site / "skin_detector.py"
    whole = module.read_text()
    module.write_text(whole.replace("smallest_batch = 1", "other = 1"))
    try:
        film = pyfeat_data / "single_face.mp4"
        done = facetrack_command("analyze", film, "-o", tmp_path, "--detector", "skin", site=site)
    finally:
        module.write_text(whole)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "has no smallest_batch" in line


def test_a_part_that_breaks_ends_in_one_line(site, pyfeat_data, tmp_path):
    (site / "skin_detector.py").rename(site / "gone.py")
    try:
        film = pyfeat_data / "single_face.mp4"
        done = facetrack_command("analyze", film, "-o", tmp_path, "--detector", "skin", site=site)
    finally:
        (site / "gone.py").rename(site / "skin_detector.py")
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "skin_detector" in line
