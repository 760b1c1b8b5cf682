"""Seconds of a piece of work, and what it comes to."""

import time
from collections.abc import Callable
from typing import Any


def rate(unit: str, count: int, seconds: float) -> dict[str, Any]:
    """How much was done in how many seconds, as ``bench.json`` has it."""
    return {
        "unit": unit,
        "count": count,
        "seconds": round(seconds, 5),
        "per_second": round(count / seconds, 2) if count else None,
    }


def best_of(repeat: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of ``repeat`` runs after one that makes ready."""
    work()
    return min(seconds_of(work) for _ in range(repeat))


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
