"""The executor that runs items on a Ray cluster, or on a Ray of this computer.

All machines must see the films under the same paths, and have facetrack and its weights installed.
Ray starts the workers, and starts lost ones again. Results come back as the small files that
``ChunkResult`` writes.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facetrack.core.closing import Closing
from facetrack.core.errors import ResourceError, UsageError
from facetrack.jobs.executors import Done, OnItemProgress
from facetrack.jobs.item import Item
from facetrack.jobs.processes import ATTEMPTS
from facetrack.jobs.worker import answer
from facetrack.pipeline.analyze_chunk import ChunkProgress
from facetrack.pipeline.chunk_result import ChunkResult

LOCAL = "local"
"""Address of a Ray that is started for this process and ends with it."""


class RayExecutor(Closing):
    """Implements ``Executor``. A process has one at a time, since Ray has one connection."""

    gpu: str | None = None

    def __init__(
        self,
        address: str,
        environment: Mapping[str, str],
        workers: int | None = None,
        gpu_share: float = 0.0,
    ) -> None:
        """
        Args:
            address: of the cluster, as ``ray.init`` takes it; ``local``: starts one here.
            environment: variables of the workers.
            workers: items that are worked on at the same time, at most; None: as many as the
                cluster has room for.
            gpu_share: part of a GPU that each item takes, as 0.5; 0: none.

        Raises:
            UsageError: when Ray is not installed, or there is no cluster at the address.
        """
        self._ray = _connected(address, environment, workers)
        room = self._ray.cluster_resources()
        most = room.get("GPU", 0) / gpu_share if gpu_share else room.get("CPU", 0)
        if most < 1:
            self.close()
            lack = "GPU" if gpu_share else "CPU"
            raise UsageError(f"the Ray cluster at {address} has no {lack} for the work")
        self.workers = min(workers or int(most), int(most))
        self._queue: list[Item] = []
        self._running: dict[Any, Item] = {}
        self._work = self._ray.remote(
            num_cpus=1, num_gpus=gpu_share, max_retries=ATTEMPTS - 1, retry_exceptions=False
        )(_work)

    def pids(self) -> list[int]:
        """None: Ray's workers are not this process' own."""
        return []

    @property
    def pending(self) -> int:
        """As ``Executor.pending``."""
        return len(self._running) + len(self._queue)

    def submit(self, item: Item) -> None:
        """As ``Executor.submit``."""
        self._queue.append(item)
        self._start()

    def wait(self, on_progress: OnItemProgress | None = None) -> Done:
        """As ``Executor.wait``; says how far an item is when it is done."""
        (reference, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        item = self._running.pop(reference)
        self._start()
        try:
            done = Done.received(item, self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            reason = str(error).splitlines()[0]
            return Done(item, ResourceError(f"{item.path}: its worker was lost ({reason})"))
        result = done.outcome
        if on_progress is not None and isinstance(result, ChunkResult):
            frames = result.frames
            on_progress(
                item, ChunkProgress(len(frames.times_s), frames.faces, len(result.tracklets), 0, 0)
            )
        return done

    def cancel(self, path: Path) -> None:
        """As ``Executor.cancel``."""
        self._queue = [item for item in self._queue if item.path != path]
        for reference in [r for r, item in self._running.items() if item.path == path]:
            self._ray.cancel(reference, force=True)
            del self._running[reference]
        self._start()

    def close(self) -> None:
        """Ends what is in work and leaves the cluster; a local one ends."""
        if self._ray.is_initialized():
            for reference in self._running:
                self._ray.cancel(reference, force=True)
            self._ray.shutdown()
        self._queue, self._running = [], {}

    def _start(self) -> None:
        """Gives Ray as many items as may be worked on at the same time."""
        while self._queue and len(self._running) < self.workers:
            item = self._queue.pop(0)
            self._running[self._work.remote(item)] = item


def _connected(address: str, environment: Mapping[str, str], workers: int | None) -> Any:
    """The module ``ray``, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    try:
        import ray
    except ImportError as error:
        raise UsageError("--executor ray needs Ray; pip install 'facetrack[ray]'") from error
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "runtime_env": {"env_vars": dict(environment)},
    }
    if address == LOCAL:
        options |= {"num_cpus": workers, "include_dashboard": False}
    try:
        with _own_handlers():
            ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"there is no Ray cluster at {address} ({error})") from error
    return ray


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keeps what this process does at SIGTERM and Ctrl-C; Ray sets handlers of its own."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def _work(item: Item) -> bytes | Exception:
    """What a worker of the cluster does with an item."""
    (outcome,) = answer(item, lambda _: None)
    return outcome
