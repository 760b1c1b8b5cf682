"""Processes that work on one result folder, or are killed while they do."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from facetrack.core.folder_lock import holder_of
from facetrack.timeline import Analysis
from made.command import facetrack, one_line

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


@pytest.fixture
def working(pyfeat_data, tmp_path):
    """An analysis that is seen at work in its folder; it is ended after the test."""
    video = pyfeat_data / "single_face.mp4"
    command = ["analyze", video, "-o", tmp_path, "-q", "--dense", "--detector", "mtcnn"]
    process = subprocess.Popen([sys.executable, "-m", "facetrack", *map(str, command)])
    growing = f"{video.stem}/.metrics.jsonl.*.partial"
    while not any(p.stat().st_size for p in tmp_path.glob(growing)):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # it stays at work as long as the test needs
    yield process, video, tmp_path / video.stem
    process.kill()
    process.wait()


def test_the_second_process_is_told_and_ends_with_5(working):
    process, video, folder = working
    for command in (
        ["analyze", video, "-o", folder.parent, "-q"],
        ["render", folder, "--out", folder.parent, "-q"],
        ["people", "name", folder, "1", "Ada"],
    ):
        done = facetrack(*command)
        if done.returncode != 3:  # there is no result yet to render or to edit
            assert done.returncode == 5
            said = one_line(done.stderr)
            assert f"{folder} is in use by process {process.pid} of " in said
            assert f"(facetrack analyze {video}" in said
    process.send_signal(signal.SIGCONT)
    assert process.wait(120) == 0
    assert Analysis.load(folder).people


def test_after_a_run_was_killed_the_next_one_leaves_nothing_of_it(working):
    process, video, folder = working
    process.kill()
    process.wait()
    assert holder_of(folder).pid == process.pid
    assert facetrack("analyze", video, "-o", folder.parent, "-q").returncode == 0
    assert [p for p in folder.rglob("*") if ".partial" in p.name] == []
    assert not (folder / ".history").exists()
    done = facetrack("verify", folder, "--json")
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, [])


def test_a_run_again_keeps_names_and_says_so(pyfeat_data, tmp_path):
    run = ["run", pyfeat_data / "single_face.mp4", "-o", tmp_path, "--size", "64"]
    assert facetrack(*run, "-q").returncode == 0
    assert facetrack("people", "name", tmp_path, "1", "Ada").returncode == 0
    done = facetrack(*run, "--again")
    assert done.returncode == 0
    assert "single_face: done again on the new result: name 1 Ada" in one_line(done.stderr)
    assert "1 Ada" in done.stdout
    assert "replaced 1 clip of before: clips/person_01/person_01_0001.mp4" in done.stdout
    assert facetrack("people", "undo", tmp_path).stdout.splitlines()[-2] == "undone: name 1 Ada"
