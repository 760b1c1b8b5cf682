"""Runs worker processes that write clips, and replaces those that die.

Workers are separate programs, neither forked nor spawned by multiprocessing: so they load none of
the parent's libraries, and any program can start them. When a worker dies, its task is tried once
more, each clip alone. A clip whose worker dies again has failed; the others have not.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from facetrack.clips.render.messages import ClipJob, Outcome, RenderTask

WORKER_ENVIRONMENT = {
    # One thread each: clips are made in parallel, one process a core.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # By default glibc returns the memory of each freed frame to the system, and takes new pages for
    # the next frame: that took longer than scaling the frame.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "SVT_LOG": "1",
}


def written(tasks: Sequence[RenderTask], processes: int) -> Generator[Outcome]:
    """The outcome of each clip, as soon as it is done; closing the iterator ends the processes.

    Args:
        tasks: are started in this order.
        processes: number of workers; each has one task at a time.
    """
    todo: queue.SimpleQueue[RenderTask] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    for task in tasks:
        todo.put(task)
    servers: list[_Server] = []
    try:
        for _ in range(processes):
            servers.append(_Server(todo, done))
        at_work = len(servers)
        while at_work:
            what = done.get()
            if what is None:
                at_work -= 1
            elif isinstance(what, Outcome):
                yield what
            else:
                raise what
    finally:
        for server in servers:
            server.stop()


class _Server:
    """A thread with one worker process: gives it tasks, and starts another when it has died."""

    def __init__(
        self,
        todo: "queue.SimpleQueue[RenderTask]",
        done: "queue.SimpleQueue[Outcome | BaseException | None]",
    ) -> None:
        self._todo, self._done = todo, done
        self._worker: _Worker | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="clips")
        self._thread.start()

    def stop(self) -> None:
        """Kills the process, also in the middle of a clip, and joins the thread."""
        with self._lock:
            self._stopped = True
            if self._worker is not None:
                self._worker.kill()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._stopped:
                task = self._todo.get_nowait()
                for job in self._try(task)[0]:
                    again, reason = self._try(replace(task, jobs=(job,)))
                    for _ in again:
                        self._done.put(Outcome(job.number, error=f"its process {reason}, twice"))
        except queue.Empty:
            pass
        except BaseException as error:
            self._done.put(error)
        finally:
            try:
                if self._worker is not None:
                    self._worker.close()
            finally:
                self._done.put(None)  # whatever happened: somebody waits for it

    def _try(self, task: RenderTask) -> tuple[tuple[ClipJob, ...], str]:
        """Sends a task to the worker; gives the clips left over when it died, and how it died."""
        left = {job.number: job for job in task.jobs}
        worker = self._ready_worker()
        if worker is None:
            return (), ""
        try:
            for outcome in worker.answers(task):
                self._done.put(outcome)
                del left[outcome.number]
            return (), ""
        except _WorkerDied as death:
            self._worker = None
            for job in left.values():
                job.remove_partials()
            return (() if self._stopped else tuple(left.values())), str(death)

    def _ready_worker(self) -> "_Worker | None":
        with self._lock:  # so that a worker started during ``stop`` is stopped too
            if self._worker is None and not self._stopped:
                self._worker = _Worker()
            return None if self._stopped else self._worker


class _WorkerDied(Exception):
    """A worker process ended in the middle of a task; the message says how."""


class _Worker:
    """A running process of ``facetrack.clips.render.worker``."""

    def __init__(self) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        here = str(Path(__file__).parents[3])
        path = os.pathsep.join([here, *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "facetrack.clips.render.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **WORKER_ENVIRONMENT, "PYTHONPATH": path},
        )

    def answers(self, task: RenderTask) -> Iterator[Outcome]:
        """The outcomes of a task as they come; raises ``_WorkerDied``."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            pickle.dump(task, self._process.stdin)
            self._process.stdin.flush()
            while (outcome := pickle.load(self._process.stdout)) is not None:
                yield outcome
        except (EOFError, OSError) as error:
            raise _WorkerDied(self._how_it_ended()) from error

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Ends the process by closing its input, and waits for it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._stderr.close()

    def _how_it_ended(self) -> str:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        self.close()
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with code {code} ({lines[-1] if lines else 'it said nothing'})"
