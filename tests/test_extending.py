"""The parts of docs/extending.md are installed as a package of somebody else's, and run."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import facetrack

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as pip installs into: the page's modules, and their entry points."""
    folder = tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    modules = [text for kind, text in blocks if kind == "python"]
    for module in modules:
        name = module.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(module)
    (tables,) = (tomllib.loads(text) for kind, text in blocks if kind == "toml")
    groups = tables["project"]["entry-points"]
    assert len(modules) == sum(map(len, groups.values())) == 4
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in parts.items())
            for group, parts in groups.items()
        )
    )
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


def test_a_part_that_breaks_ends_in_one_line(site, pyfeat_data, tmp_path):
    (site / "skin_detector.py").rename(site / "gone.py")
    try:
        film = pyfeat_data / "single_face.mp4"
        done = facetrack_command("analyze", film, "-o", tmp_path, "--detector", "skin", site=site)
    finally:
        (site / "gone.py").rename(site / "skin_detector.py")
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "skin_detector" in line
