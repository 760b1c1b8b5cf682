"""One lock for a result folder: who holds it is said, and a process that is killed frees it."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from facetrack.core.atomic_write import partial_name
from facetrack.core.errors import InputError, OutputError
from facetrack.core.folder_lock import LOCK_FILE, holder_of, locked

HOLD = """
import sys, time
from pathlib import Path
from facetrack.core.folder_lock import locked
with locked(Path(sys.argv[1]), brief=len(sys.argv) > 2):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 300)
"""


@pytest.fixture
def holding(tmp_path):
    """Starts processes that hold the lock of the folder; ends them after the test."""
    started = []

    def start(*seconds):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), *map(str, seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_process_is_told_who_holds_it_and_since_when(tmp_path, holding):
    process = holding()
    holder = holder_of(tmp_path)
    with pytest.raises(OutputError) as raised, locked(tmp_path):
        pass
    said = str(raised.value)
    assert raised.value.exit_code == 5
    assert f"{tmp_path} is in use by process {process.pid} of " in said
    assert f"on {os.uname().nodename} (-c {tmp_path}), since {holder.since}; wait" in said
    assert holder.since[:2] == "20"


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path, holding):
    process = holding()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder_of(tmp_path).pid == process.pid  # the file is still there
    with locked(tmp_path):
        assert holder_of(tmp_path).pid == os.getpid()
    assert os.listdir(tmp_path) == []


def test_an_edit_is_waited_for(tmp_path, holding):
    holding(0.5)
    with locked(tmp_path):
        assert holder_of(tmp_path).pid == os.getpid()
    assert holder_of(tmp_path) is None


def test_the_thread_that_has_it_may_take_it_again_and_others_may_not(tmp_path):
    refused = []

    def other():
        try:
            with locked(tmp_path):
                pass
        except OutputError as error:
            refused.append(str(error))

    with locked(tmp_path):
        with locked(tmp_path / "." / ""):
            assert holder_of(tmp_path).pid == os.getpid()
        assert (tmp_path / LOCK_FILE).exists()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in refused[0]


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "dangling"])
def test_what_is_no_regular_file_is_no_lock(tmp_path, kind):
    out, canary = tmp_path / "out", tmp_path / "canary"
    place = out / LOCK_FILE
    place.parent.mkdir(parents=True)
    canary.write_text("mine")
    match kind:
        case "link":
            place.symlink_to(canary)
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "dangling":
            place.symlink_to(tmp_path / "new")
    with pytest.raises(InputError, match="only files inside"), locked(out):
        pass
    assert holder_of(out) is None
    assert canary.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert os.path.lexists(place)


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\x00", b"[" * 4000, b"SQLite format 3\x00", b'{"pid": "x"}', b"{}"]
)
def test_garbage_in_the_lock_file_hinders_nobody(tmp_path, garbage):
    (tmp_path / LOCK_FILE).parent.mkdir()
    (tmp_path / LOCK_FILE).write_bytes(garbage)
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        assert holder_of(tmp_path).pid == os.getpid()


def test_what_a_lock_file_says_cannot_control_the_terminal(tmp_path, holding):
    holding()
    file = tmp_path / LOCK_FILE
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "command": "\x1b]0;owned\x07", "user": "a\nb"}))
    with pytest.raises(OutputError) as raised, locked(tmp_path):
        pass
    assert "\x1b" not in str(raised.value)
    assert "of a?b on" in str(raised.value)


def test_whoever_has_it_removes_what_killed_processes_left(tmp_path):
    """Names of ours in folders of ours, and nothing else."""
    ours, others = [], []
    for folder in ("", "people", "clips", "clips/person_01", "exports"):
        (tmp_path / folder).mkdir(exist_ok=True)
        ours.append(partial_name(tmp_path / folder / "a.json"))
        ours.append(partial_name(tmp_path / folder / "a.mp4", ".mp4"))
        others.append(tmp_path / folder / ".a.partial")
    (tmp_path / "mine").mkdir()
    others.append(partial_name(tmp_path / "mine" / "a.json"))
    linked = tmp_path.parent / f"{tmp_path.name}-linked"
    linked.mkdir()
    (tmp_path / "clips" / "link").symlink_to(linked)
    others.append(partial_name(linked / "a.json"))
    for path in (*ours, *others):
        path.write_text("half")
    with locked(tmp_path):
        pass
    assert [p for p in ours if p.exists()] == []
    assert [p for p in others if not p.exists()] == []
