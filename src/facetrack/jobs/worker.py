"""``python -m facetrack.jobs.worker``: the process that analyses chunks.

Takes ``Item`` objects; answers with ``ChunkProgress`` objects, and with the bytes of a
``ChunkResult`` or the error that the item ended with.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from facetrack.runtime.worker_process import serve

if TYPE_CHECKING:
    from facetrack.jobs.film import Item
    from facetrack.pipeline.analyze_chunk import ChunkProgress
    from facetrack.pipeline.engine import Engine

PROGRESS_S = 0.2
"""Seconds between two answers that say how far an item is."""


def _prepare() -> Callable[[Any, Callable[[object], None]], Iterable[object]]:
    from facetrack.core.settings import DetectionSettings, IdentitySettings
    from facetrack.jobs.executors import outcome_of
    from facetrack.pipeline.engine import open_engine
    from facetrack.runtime.run_stats import RunStats

    engines: dict[tuple[DetectionSettings, IdentitySettings], Engine] = {}

    def opened(item: "Item") -> "Engine":
        """The newest engine is kept: the items of a job have the same settings."""
        key = item.settings.detection, item.settings.identity
        if key not in engines:
            engines.clear()
            engines[key] = open_engine(*key)
        return engines[key]

    def answer(item: "Item", send: Callable[[object], None]) -> Iterable[object]:
        last_s = time.monotonic()

        def report(progress: "ChunkProgress") -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= PROGRESS_S:
                last_s = time.monotonic()
                send(progress)

        try:
            engine = opened(item)
        except Exception as error:
            return [error]
        outcome = outcome_of(item, engine, RunStats(), report)
        return [outcome if isinstance(outcome, Exception) else outcome.to_bytes()]

    return answer


if __name__ == "__main__":
    serve(_prepare)
