"""Ctrl-C, SIGTERM and SIGHUP: the command ends in order, and with it all its processes."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from made.command import facetrack, one_line

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and /proc are Linux's")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
ORPHANS_S = 2
"""Seconds after which no process of a command that was killed may be left."""


def no_remains(folder):
    assert [p for p in folder.rglob("*") if ".partial" in p.name] == []


def started(arguments, before=(), python=()):
    """The command as the leader of a group, as a terminal starts it."""
    return subprocess.Popen(
        [*before, sys.executable, *python, "-m", "facetrack", *map(str, arguments), "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs deaf to Ctrl-C, and nohup to SIGHUP; the command must hear
        # them here in any case.
        preexec_fn=hear_signals,
    )


def hear_signals():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def at_work(processes):
    """Those that have not ended in time; who has ended may wait to be collected by the system."""
    _, left = psutil.wait_procs(processes, timeout=ORPHANS_S)
    return [p for p in left if not has_ended(p)]


def has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(ready, process):
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def ended(arguments, ready, number=signal.SIGINT):
    """Starts the command, sends a signal to its whole group once ``ready()``."""
    process = started(arguments)
    until(ready, process)
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)  # the work itself would take longer
    assert process.returncode == CODES[number]
    assert "interrupted" in one_line(said)
    assert at_work(below) == []


@pytest.fixture
def folder(pyfeat_data, tmp_path):
    """A result from which clips are made that take longer than any test."""
    video = pyfeat_data / "single_face.mp4"
    assert facetrack("analyze", video, "-o", tmp_path, "--quiet").returncode == 0
    return tmp_path / "single_face"


def clips_of(folder):
    return ["render", folder, "--size", "4096"]


def encoding(folder):
    return lambda: list(folder.rglob("*.partial.mp4"))


@pytest.mark.parametrize("number", list(CODES), ids=[one.name for one in CODES])
def test_while_analysing(pyfeat_data, tmp_path, number):
    """Slow enough to be caught at it; there are samples from when frames are looked at."""
    video = pyfeat_data / "WolfgangLanger_Pexels.mp4"
    command = ["run", video, "-o", tmp_path, "--detector", "mtcnn", "--dense"]
    growing = "*/.metrics.jsonl.*.partial"
    ended(command, lambda: any(p.stat().st_size for p in tmp_path.glob(growing)), number)
    assert [p.name for p in tmp_path.iterdir()] == [".facetrack"]  # what a next run goes on with


@pytest.mark.parametrize("number", list(CODES), ids=[one.name for one in CODES])
def test_while_rendering(folder, number):
    ended(clips_of(folder), encoding(folder), number)
    assert not list(folder.rglob("*.mp4"))
    no_remains(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@linux
def test_as_process_1_of_a_container(folder, number):
    """The kernel gives process 1 no signal for which it has no handler."""
    alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this system permits no new process namespace")
    process = started(clips_of(folder), before=alone)
    until(encoding(folder), process)
    (first,) = psutil.Process(process.pid).children()
    first.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    assert "interrupted" in one_line(said)
    no_remains(folder)


def test_a_killed_command_leaves_no_encoder(folder):
    process = started(clips_of(folder))
    until(encoding(folder), process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    process.communicate()
    assert at_work(workers) == []
    assert not [p for p in folder.rglob("*.mp4") if ".partial" not in p.name]


def test_what_nohup_switches_off_stays_off(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "facetrack", *map(str, clips_of(folder)), "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    until(encoding(folder), process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted" in one_line(said)


@pytest.mark.parametrize(
    "module",
    ["facetrack", "typer", "facetrack.core.settings", "facetrack.cli.job"],
)
def test_ctrl_c_while_modules_load(pyfeat_data, tmp_path, module):
    """Python says of each module that it is loaded; the signal comes then. Before the first of
    them, no line of ours has run."""
    process = started(
        ["run", pyfeat_data / "WolfgangLanger_Pexels.mp4", "-o", tmp_path],
        python=["-X", "importtime"],
    )
    said = []
    with process:
        for line in process.stderr:
            said.append(line)
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    own = [line for line in said if not line.startswith("import time:")]
    assert len(own) <= 1, own
    assert all("interrupted" in line for line in own)
