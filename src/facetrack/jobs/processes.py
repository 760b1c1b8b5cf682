"""The executor that runs items in worker processes of this machine.

A worker shares nothing with the others but the file. Each has networks of its own, with one
thread: many small pipelines side by side use all cores, where one large one waits for its slowest
thread.
"""

import queue
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from facetrack.core.closing import Closing
from facetrack.core.cpu_threads import VARIABLE
from facetrack.core.errors import ResourceError
from facetrack.jobs.executors import Done, OnItemProgress
from facetrack.jobs.item import Item
from facetrack.pipeline.analyze_chunk import ChunkProgress
from facetrack.runtime.gpu import smallest_gpu_bytes
from facetrack.runtime.worker_process import ONE_THREAD, WorkerDied, WorkerSlot

WORKER = "facetrack.jobs.worker"
ATTEMPTS = 2
"""How often an item is tried whose worker dies."""
WORKER_BYTES = 512 * 2**20
"""Memory of a worker beside the frames in its queue."""
GPU_WORKERS = 3
"""Processes that keep one GPU busy: Python in one of them does not keep up with it."""
GPU_WORKER_BYTES = 12 * 2**30
"""Memory of a GPU for each of them: it holds decoders, batches and decoded frames."""
SMALLEST_QUEUE = 64 * 2**20
"""Bytes of decoded frames that may wait in a worker, at least."""

_Outcome = bytes | Exception
_Message = tuple[Item, ChunkProgress | _Outcome]


def usual_memory() -> int:
    """Bytes for all workers together where nobody says how many: half of what is available."""
    return int(psutil.virtual_memory().available) // 2


def workers_within(memory_bytes: int) -> int:
    """Number of workers that have room in so much memory, one at least."""
    return max(1, memory_bytes // (WORKER_BYTES + SMALLEST_QUEUE))


def workers_on_gpu() -> int:
    """Number of workers for each GPU, for much work: as many as measured best, if it has room."""
    memory = smallest_gpu_bytes()
    return GPU_WORKERS if memory is not None and memory >= GPU_WORKERS * GPU_WORKER_BYTES else 1


def on_cores(workers: int) -> list[dict[str, str]]:
    """Environments of workers that have one thread each."""
    return [{**ONE_THREAD, VARIABLE: "1"}] * workers


def on_gpus(gpus: Sequence[str], workers: int) -> list[dict[str, str]]:
    """Environments of workers on GPUs.

    Args:
        gpus: numbers or UUIDs, as ``CUDA_VISIBLE_DEVICES`` takes them.
        workers: for each GPU.
    """
    return [{"CUDA_VISIBLE_DEVICES": gpu} for _ in range(workers) for gpu in gpus]


class ProcessExecutor(Closing):
    """Implements ``Executor``. Workers start when they are needed, and stay until ``close``."""

    gpu: str | None = None

    def __init__(
        self, environments: Sequence[Mapping[str, str]], memory_bytes: int | None = None
    ) -> None:
        """
        Args:
            environments: for each worker the variables beside those of this process.
            memory_bytes: of all workers together; None: the settings alone bound what waits.
        """
        self.workers = len(environments)
        self._environments = environments
        self._queue_bytes = None
        if memory_bytes is not None:
            share = memory_bytes // self.workers - WORKER_BYTES
            self._queue_bytes = max(share, SMALLEST_QUEUE)
        self._todo = _Todo()
        self._done: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._pending: list[Item] = []
        self._servers: list[_Server] = []

    def pids(self) -> list[int]:
        """As ``Executor.pids``."""
        return [pid for server in self._servers if (pid := server.pid) is not None]

    @property
    def pending(self) -> int:
        """As ``Executor.pending``."""
        return len(self._pending)

    def submit(self, item: Item) -> None:
        """As ``Executor.submit``."""
        self._pending.append(item)
        self._todo.put(item)
        if len(self._servers) < min(self.workers, len(self._pending)):
            environment = self._environments[len(self._servers)]
            server = _Server(self._todo, self._done, environment, self._queue_bytes)
            self._servers.append(server)

    def wait(self, on_progress: OnItemProgress | None = None) -> Done:
        """As ``Executor.wait``."""
        while True:
            item, what = self._done.get()
            if not any(one is item for one in self._pending):
                continue  # its film was cancelled
            if isinstance(what, ChunkProgress):
                if on_progress is not None:
                    on_progress(item, what)
                continue
            self._pending = [one for one in self._pending if one is not item]
            return Done.received(item, what)

    def cancel(self, path: Path) -> None:
        """As ``Executor.cancel``: items that are in work go on, and their results are dropped."""
        self._pending = [item for item in self._pending if item.path != path]
        self._todo.remove(path)

    def close(self) -> None:
        """Kills the workers, also in the middle of an item, and joins all threads."""
        self._todo.close()
        for server in self._servers:
            server.stop()
        self._servers, self._pending = [], []


class _Todo:
    """The items that no worker has begun."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def take(self) -> Item | None:
        """Waits for an item; None: it was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            return None if self._closed else self._items.popleft()

    def remove(self, path: Path) -> None:
        with self._changed:
            self._items = deque(item for item in self._items if item.path != path)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Server:
    """A thread with one worker process: gives it items, and starts another when it has died."""

    def __init__(
        self,
        todo: _Todo,
        done: "queue.SimpleQueue[_Message]",
        environment: Mapping[str, str],
        queue_bytes: int | None,
    ) -> None:
        self._todo, self._done, self._queue_bytes = todo, done, queue_bytes
        self._slot = WorkerSlot(WORKER, environment)
        self._thread = threading.Thread(target=self._serve, name="chunks")
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Number of the process; None: there is none at the moment."""
        return self._slot.pid

    def stop(self) -> None:
        """Kills the process and joins the thread; the items must be closed."""
        self._slot.stop()
        self._thread.join()

    def _serve(self) -> None:
        while (item := self._todo.take()) is not None:
            try:
                outcome = self._outcome(item)
            except Exception as error:
                outcome = error
            self._done.put((item, outcome))
        self._slot.close()

    def _outcome(self, item: Item) -> _Outcome:
        reason = "was not started"
        for _ in range(ATTEMPTS):
            worker = self._slot.ready()
            if worker is None:
                break
            try:
                outcome: _Outcome | None = None
                for answer in worker.answers(self._sent(item)):
                    if isinstance(answer, ChunkProgress):
                        self._done.put((item, answer))
                    else:
                        outcome = answer
                if outcome is not None:
                    return outcome
            except WorkerDied as death:
                self._slot.died()
                reason = str(death)
        where = "" if item.chunk is None else f" from frame {item.chunk.first} on"
        return ResourceError(f"{item.path}: the process of its part{where} {reason}, twice")

    def _sent(self, item: Item) -> Item:
        """The item, with the memory that its worker may take; that changes no result."""
        decode = item.settings.decode
        if self._queue_bytes is None or self._queue_bytes >= decode.queue_bytes:
            return item
        decode = replace(decode, queue_bytes=self._queue_bytes)
        return replace(item, settings=replace(item.settings, decode=decode))
