"""A run and a render that are killed at any moment leave the old result whole, or the new one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import facetrack
from facetrack.core.settings import ClipSettings
from facetrack.identity import editing
from facetrack.identity.folder import edit
from facetrack.identity.kept_edits import save_again
from facetrack.timeline import Analysis
from facetrack.timeline.history import History

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each moment is tried in a fork")


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and ".history" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def killed(folder, out, kind):
    """Copies of the folder, each after a kill at a later moment; the last was not killed."""
    out.mkdir()
    script = Path(__file__).with_name("killed_edit.py")
    command = [sys.executable, script, folder, out, kind]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(out.iterdir())


@pytest.fixture
def canary(tmp_path):
    """Files of a user's beside the results; they are compared after the test."""
    place = tmp_path / "mine"
    (place / "people").mkdir(parents=True)
    for name in ("timeline.json", "people/person_01.jpg", ".a.json.0123abcd.partial"):
        (place / name).write_text(name)
    before = contents(place)
    yield
    assert contents(place) == before


def test_a_run_over_an_edited_result(demo_analysis, tmp_path, canary):
    folder = tmp_path / "sample"
    demo_analysis.save(folder)
    edit(folder, "merge 3 4", lambda a: editing.merged(a, 3, [4]))
    edit(folder, "name 2 Ada", lambda a: editing.named(a, 2, "Ada"))
    replace(demo_analysis, performance={"seconds": 9.9}).save(tmp_path / "again")
    copies = killed(folder, tmp_path / "killed", "save")
    before, after = contents(folder), contents(copies[-1])
    steps = History(folder).steps(), History(copies[-1]).steps()
    decided = []
    for copy in copies:
        analysis = Analysis.load(copy)  # finishes what was committed
        decided.append(analysis.performance != demo_analysis.performance)
        assert contents(copy) == (after if decided[-1] else before)
        assert History(copy).steps() == steps[decided[-1]]
        assert (analysis.person("Ada").id, len(analysis.people)) == (2, 6)
    assert decided == sorted(decided)
    assert 5 < sum(decided) < len(decided) - 5
    first = copies[decided.index(True) - 1]  # killed just before the switch; then run again
    save_again(Analysis.load(tmp_path / "again"), first)
    assert contents(first) == after
    assert not [p for p in first.rglob("*") if "partial" in p.name or p.name in ("next", "renewed")]


def test_a_render_over_other_clips(demo_analysis, tmp_path, canary):
    folder = tmp_path / "sample"
    demo_analysis.save(folder)
    settings = ClipSettings(target=("1", "2"), size=64, segment_length_s=1.0, jobs=1)
    facetrack.render(Analysis.load(folder), folder, settings)
    copies = killed(folder, tmp_path / "killed", "render")
    before, after = contents(folder), contents(copies[-1])
    kept = [name for name in before if "person_01" in name]
    assert kept
    assert all(after[name] == before[name] for name in kept)
    decided = []
    for copy in copies:
        Analysis.load(copy)
        found = contents(copy)
        decided.append(found["renders.json"] == after["renders.json"])
        assert found == (after if decided[-1] else before)
    assert decided == sorted(decided)
    assert sum(decided) > 5
    assert not decided[0]
    again = ClipSettings(target=("2",), size=64, quality=20, jobs=1)
    facetrack.render(Analysis.load(copies[0]), copies[0], again)
    assert contents(copies[0]) == after
