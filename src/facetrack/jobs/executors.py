"""What runs items: the protocol, and the executor that does it in this process."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames
from typing import Protocol

from facetrack.core.closing import Closable, Closing
from facetrack.core.limits import limited
from facetrack.jobs.item import Item
from facetrack.pipeline.analyze_chunk import ChunkProgress, analyze_chunk, analyze_whole
from facetrack.pipeline.chunk_result import ChunkResult
from facetrack.pipeline.engine import Engine
from facetrack.runtime.run_stats import RunStats


@dataclass(frozen=True)
class Done:
    """An item, and its result or the error that it ended with."""

    item: Item
    outcome: ChunkResult | Exception
    stored: bytes | None = None
    """The result as ``ChunkResult.to_bytes`` gives it, where it came so from another process."""

    @classmethod
    def received(cls, item: Item, what: bytes | Exception) -> "Done":
        """An item as a worker of another process answers it."""
        if isinstance(what, Exception):
            return cls(item, what)
        return cls(item, ChunkResult.from_bytes(what), what)


OnItemProgress = Callable[[Item, ChunkProgress], None]


class Executor(Closable, Protocol):
    """Runs items. A context manager: leaving it ends all work and all processes of its own.

    One thread calls it. ``tests/contract/test_executor.py`` holds what every implementation must
    do.
    """

    workers: int
    """Number of items that are worked on at the same time."""
    gpu: str | None
    """UUID of the GPU that the networks run on; None: they run on the CPU."""

    def pids(self) -> list[int]:
        """Numbers of the worker processes on this machine."""
        ...

    @property
    def pending(self) -> int:
        """Number of items that were submitted and not given back yet."""
        ...

    def submit(self, item: Item) -> None:
        """Queues an item; items are begun in the order in which they are submitted."""
        ...

    def wait(self, on_progress: OnItemProgress | None = None) -> Done:
        """The next item that is done; in any order. There must be one that is pending.

        An item whose worker dies is tried once more. An outcome of ``NotAsIndexed`` says that the
        item's film must be read as a whole.

        Args:
            on_progress: called as items go on, in the caller's thread.
        """
        ...

    def cancel(self, path: Path) -> None:
        """Gives up the items of a film; they are not given back."""
        ...

    def close(self) -> None:
        """Ends all work. May be called twice."""
        ...


class SerialExecutor(Closing):
    """Runs one item after the other on the caller's thread, with networks of this process."""

    workers = 1

    def __init__(self, engine: Engine, stats_of: Callable[[Item], RunStats]) -> None:
        """
        Args:
            engine: opened with the items' settings.
            stats_of: gives the statistics that are told what each stage of an item does.
        """
        self._engine, self._stats_of = engine, stats_of
        self.gpu = engine.gpu
        self._items: deque[Item] = deque()

    def pids(self) -> list[int]:
        """None: this process does the work."""
        return []

    @property
    def pending(self) -> int:
        """As ``Executor.pending``."""
        return len(self._items)

    def submit(self, item: Item) -> None:
        """As ``Executor.submit``."""
        self._items.append(item)

    def wait(self, on_progress: OnItemProgress | None = None) -> Done:
        """As ``Executor.wait``; does the work."""
        item = self._items.popleft()

        def report(progress: ChunkProgress) -> None:
            assert on_progress is not None
            on_progress(item, progress)

        wanted = None if on_progress is None else report
        return Done(item, outcome_of(item, self._engine, self._stats_of(item), wanted))

    def cancel(self, path: Path) -> None:
        """As ``Executor.cancel``."""
        self._items = deque(item for item in self._items if item.path != path)

    def close(self) -> None:
        """Drops all items."""
        self._items.clear()


def outcome_of(
    item: Item,
    engine: Engine,
    stats: RunStats,
    on_progress: Callable[[ChunkProgress], None] | None,
) -> ChunkResult | Exception:
    """The result of an item, or the error that it ended with.

    Args:
        item: a chunk, or a film as a whole.
        engine: opened with the item's settings.
        stats: is told what each stage does.
        on_progress: called as the item goes on.
    """
    settings = item.settings
    try:
        with limited(settings.limits):
            if item.chunk is None:
                return analyze_whole(item.path, settings, engine, stats, on_progress)
            return analyze_chunk(item.path, item.chunk, settings, engine, stats, on_progress)
    except Exception as error:
        _release(error)
        return error


def _release(error: BaseException | None) -> None:
    """Drops what the functions that an error left hold: the decoder and the frames in work.

    Where it was raised can still be told. Else the error and these functions keep each other until
    Python looks for garbage.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
