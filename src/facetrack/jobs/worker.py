"""``python -m facetrack.jobs.worker``: the process that analyses chunks.

Takes ``Item`` objects; answers with ``ChunkProgress`` objects, and with the bytes of a
``ChunkResult`` or the error that the item ended with.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from facetrack.runtime.worker_process import Answer, serve

if TYPE_CHECKING:
    from facetrack.jobs.item import Item
    from facetrack.pipeline.analyze_chunk import ChunkProgress
    from facetrack.pipeline.engine import Engine

PROGRESS_S = 0.2
"""Seconds between two answers that say how far an item is."""

_engines: "dict[object, Engine]" = {}
"""The newest engine is kept: the items of a job have the same settings."""


def answer(item: "Item", send: Callable[[object], None]) -> Iterable[bytes | Exception]:
    """Does an item in this process.

    Args:
        item: what is to be done.
        send: is given ``ChunkProgress`` objects meanwhile.

    Returns:
        The bytes of the result, or the error that the item ended with; nothing else.
    """
    from facetrack.jobs.executors import outcome_of
    from facetrack.runtime.run_stats import RunStats

    last_s = time.monotonic()

    def report(progress: "ChunkProgress") -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= PROGRESS_S:
            last_s = time.monotonic()
            send(progress)

    try:
        engine = _opened(item)
    except Exception as error:
        return [error]
    outcome = outcome_of(item, engine, RunStats(), report)
    return [outcome if isinstance(outcome, Exception) else outcome.to_bytes()]


def _opened(item: "Item") -> "Engine":
    from facetrack.pipeline.engine import open_engine

    key = item.settings.detection, item.settings.identity
    if key not in _engines:
        _engines.clear()
        _engines[key] = open_engine(*key)
    return _engines[key]


def _prepare() -> Answer:
    import facetrack.jobs.executors
    import facetrack.pipeline.engine  # noqa: F401 - all is imported before the first item comes

    return answer


if __name__ == "__main__":
    serve(_prepare)
