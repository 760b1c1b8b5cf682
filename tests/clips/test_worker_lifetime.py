"""A worker process ends with its parent, and when the parent wants no more of it."""

import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from facetrack.clips.render.messages import ClipJob, RenderTask
from facetrack.media.codecs import Encoding, choose_encoder
from made.clip_data import clip_of
from made.media import make_video

FRAMES = 75
MOST_S = 2


@pytest.fixture
def task(tmp_path):
    """A clip that takes longer than any test."""
    make_video(tmp_path / "film.mp4", frames=FRAMES)
    clip = clip_of(np.arange(FRAMES) / 25, (0, 70), size=(4096, 4096))
    job = ClipJob(0, clip, tmp_path / "clip.mp4", tmp_path / "clip.partial.mp4", None, None)
    encoder = choose_encoder(Encoding(effort="slow"))
    return RenderTask(tmp_path / "film.mp4", (job,), encoder, None, None, 1 << 30)


def worker(**options):
    return subprocess.Popen(
        [sys.executable, "-m", "facetrack.clips.render.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options,
    )  # fmt: skip


def encoding(process, task):
    pickle.dump(task, process.stdin)
    process.stdin.flush()
    while not task.jobs[0].partial.exists():
        assert process.poll() is None
        time.sleep(0.05)


def test_it_ends_with_its_input_in_the_middle_of_a_clip(task):
    """The portable way: here the parent lives."""
    with worker() as process:
        encoding(process, task)
        process.stdin.close()
        assert process.wait(MOST_S) == 0
    assert not task.jobs[0].path.exists()


def test_it_leaves_signals_of_a_terminal_to_its_parent(task):
    with worker() as process:
        encoding(process, task)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills it with its parent")
def test_it_ends_with_its_parent_even_where_somebody_holds_its_input(task, tmp_path):
    """As a fork of the parent does."""
    reader, writer = os.pipe()
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            "import subprocess, sys\n"
            "worker = subprocess.Popen([sys.executable, '-m', 'facetrack.clips.render.worker'],\n"
            "    stdin=int(sys.argv[1]))\n"
            "print(worker.pid, flush=True)\n"
            "worker.wait()",
            str(reader),
        ],
        stdout=subprocess.PIPE, pass_fds=[reader], text=True,
    )  # fmt: skip
    os.close(reader)
    number = int(parent.stdout.readline())
    with os.fdopen(writer, "wb") as tasks:
        pickle.dump(task, tasks)
        tasks.flush()
        while not task.jobs[0].partial.exists():
            assert parent.poll() is None
            time.sleep(0.05)
        parent.kill()
        parent.communicate()
        until = time.monotonic() + MOST_S
        while running(number):
            assert time.monotonic() < until
            time.sleep(0.05)


def running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
