"""Worker processes: programs that answer tasks, and that end with the process that started them.

They are neither forked nor spawned by multiprocessing: so they load none of the parent's libraries,
and any program can start them.
"""

import os
import pickle
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from facetrack.runtime.process import end_with_parent

SIGNALS_OF_A_TERMINAL = ("SIGINT", "SIGTERM", "SIGHUP")
"""They reach all processes of a group; the parent acts."""
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Environment of a worker that is one of as many as there are cores."""


class WorkerDied(Exception):
    """A worker process ended in the middle of a task; the message says how."""


class WorkerProcess:
    """A running worker, for one task at a time. ``close`` or ``kill`` ends it."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """
        Args:
            module: calls ``serve``.
            environment: variables beside those of this process.
        """
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        here = str(Path(__file__).parents[2])
        path = os.pathsep.join([here, *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **environment, "PYTHONPATH": path},
        )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def answers(self, task: object) -> Iterator[Any]:
        """The answers to a task as they come.

        Raises:
            WorkerDied: when the process ends before the last one.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            pickle.dump(task, self._process.stdin)
            self._process.stdin.flush()
            while (answer := pickle.load(self._process.stdout)) is not None:
                yield answer
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise WorkerDied(self._how_it_ended()) from error

    def kill(self) -> None:
        """Ends the process at once; ``answers`` then raises ``WorkerDied``."""
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


class WorkerSlot:
    """The place of one worker: started when it is needed, and again after it has died.

    One thread uses the worker; another one may stop it.
    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """As ``WorkerProcess``."""
        self._module, self._environment = module, environment
        self._worker: WorkerProcess | None = None
        self._lock = threading.Lock()
        self.stopped = False

    @property
    def pid(self) -> int | None:
        """Number of the process; None: there is none at the moment."""
        worker = self._worker
        return None if worker is None else worker.pid

    def ready(self) -> WorkerProcess | None:
        """The worker; None: it was stopped."""
        with self._lock:  # so that a worker started during ``stop`` is stopped too
            if self._worker is None and not self.stopped:
                self._worker = WorkerProcess(self._module, self._environment)
            return None if self.stopped else self._worker

    def died(self) -> None:
        """The worker has died; ``ready`` starts another."""
        self._worker = None

    def stop(self) -> None:
        """Kills the worker, also in the middle of a task; no other is started."""
        with self._lock:
            self.stopped = True
            if self._worker is not None:
                self._worker.kill()

    def close(self) -> None:
        """Ends the worker, if there is one, and waits for it."""
        if self._worker is not None:
            self._worker.close()


Answer = Callable[[Any, Callable[[object], None]], Iterable[object]]
"""Takes a task, and a function that sends an answer at once from any thread; what it yields is sent
too."""


def serve(prepare: Callable[[], Answer]) -> None:
    """The main function of a worker: answers tasks until its input ends.

    It ends when its input ends, also in the middle of a task: then the parent has ended, or wants
    no more of it.

    Args:
        prepare: imports what is needed, and gives the function that answers.
    """
    end_with_parent()
    if _parent_has_ended():  # before it was asked to be told
        os._exit(0)
    for name in SIGNALS_OF_A_TERMINAL:
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        _serve(prepare)
    except BaseException:  # not through the interpreter's shutdown, for which a thread reads input
        traceback.print_exc()
        os._exit(1)


def _parent_has_ended() -> bool:
    """Whether nobody holds the other end of the input; False where that cannot be asked."""
    if not hasattr(select, "poll"):
        return False
    asked = select.poll()
    asked.register(sys.stdin.fileno(), 0)
    return any(event & select.POLLHUP for _, event in asked.poll(0))


def _serve(prepare: Callable[[], Answer]) -> NoReturn:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what encoders print must not mix with the answers
    lock = threading.Lock()

    def send(what: object) -> None:
        with lock:
            pickle.dump(what, answers)
            answers.flush()

    answer = prepare()  # before the thread starts, which imports by unpickling
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), name="tasks", daemon=True).start()
    while True:
        for what in answer(tasks.get(), send):
            send(what)
        send(None)


def _receive(tasks: "queue.SimpleQueue[Any]") -> None:
    """Passes tasks on as they come; ends the process at the end of its input."""
    try:
        while True:
            tasks.put(pickle.load(sys.stdin.buffer))
    except EOFError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
