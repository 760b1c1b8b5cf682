"""A render that is killed or interrupted: the next one keeps the clips that were finished."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facetrack.api.verify import verify
from facetrack.core.folder_lock import HISTORY
from facetrack.timeline import Analysis
from facetrack.timeline.clip_switch import FINISHED, RENDERING
from made.command import facetrack

PLACE = Path(HISTORY) / RENDERING
ENOUGH = 2
"""Clips after which the render is killed."""


@pytest.fixture
def folder(demo_analysis: Analysis, tmp_path: Path) -> Path:
    demo_analysis.save(tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def unbroken(demo_analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("unbroken")
    demo_analysis.save(out)
    done = facetrack(*command(out))
    assert done.returncode == 0, done.stderr
    return clips(out)


def command(folder: Path) -> list[str]:
    return ["render", str(folder), "--target", "all", "--size", "256", "--jobs", "1", "-q"]


def clips(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / "clips").rglob("*")
        if path.is_file()
    }


def finished(folder: Path) -> list[str]:
    """Names of the clips that the list has whole lines for."""
    try:
        lines = (folder / PLACE / FINISHED).read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [name for line in lines for name in json.loads(line)["files"]]


def ended_early(folder: Path, number: signal.Signals) -> dict[str, int]:
    """Ends a render by a signal after some clips; gives when each of these was written."""
    process = subprocess.Popen([sys.executable, "-m", "facetrack", *command(folder)])
    while len(finished(folder)) < ENOUGH:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.wait()
    names = finished(folder)
    return {name: (folder / PLACE / "new" / name).stat().st_mtime_ns for name in names}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_they_are_not_written_again(
    folder: Path, unbroken: dict[str, bytes], number: signal.Signals
):
    written = ended_early(folder, number)
    assert ENOUGH <= len(written) < len(unbroken)
    assert facetrack(*command(folder)).returncode == 0
    assert clips(folder) == unbroken
    assert {name: (folder / name).stat().st_mtime_ns for name in written} == written
    assert not (folder / PLACE).exists()
    assert not verify(folder).findings


def test_a_clip_that_has_changed_is_written_again(folder: Path, unbroken: dict[str, bytes]):
    first = next(iter(ended_early(folder, signal.SIGKILL)))
    path = folder / PLACE / "new" / first
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert facetrack(*command(folder)).returncode == 0
    assert clips(folder) == unbroken


def test_other_clips_do_not_come_in(folder: Path):
    """Neither those of other settings, nor what somebody put there."""
    names = ended_early(folder, signal.SIGKILL)
    new = folder / PLACE / "new"
    (new / "clips" / "person_09").mkdir()
    shutil.copy(new / next(iter(names)), new / "clips" / "person_09" / "person_09_0001.mp4")
    with (folder / PLACE / FINISHED).open("a") as lines:
        lines.write('{"key": 1}\n[]\n{"files"')
    assert facetrack("render", folder, "--target", "1", "--size", "128", "-q").returncode == 0
    assert [name for name in clips(folder) if "person_01" not in name] == []
    assert len(clips(folder)) >= 1
    assert not verify(folder).findings


def test_no_link_leads_out_of_the_folder(folder: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "new").mkdir(parents=True)
    (elsewhere / "new" / "mine.mp4").write_text("mine")
    (folder / HISTORY).mkdir()
    (folder / PLACE).symlink_to(elsewhere)
    done = facetrack(*command(folder))
    assert done.returncode == 3 and "a link" in done.stderr
    assert (elsewhere / "new" / "mine.mp4").read_text() == "mine"
