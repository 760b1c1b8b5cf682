"""What measurements share: wall time, peak memory, and a watch for other programs at work."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DISTURBED = 0.25
"""Cores used by other programs, on average, from which a measurement is unreliable."""
STAT = Path("/proc/stat")


def rate(unit: str, count: int, seconds: float) -> dict[str, Any]:
    """One entry of ``stages`` in ``bench.json``: how much was done in how many seconds."""
    return {
        "unit": unit,
        "count": count,
        "seconds": round(seconds, 5),
        "per_second": round(count / seconds, 2) if count else None,
    }


def best_of(repeat: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of ``repeat`` runs, after one run that is not timed."""
    work()
    return min(seconds_of(work) for _ in range(repeat))


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak_mib() -> float | None:
    """Peak resident memory of this process in MiB (2**20 bytes); None where it is not known.

    Linux's ``ru_maxrss`` cannot be used: a process inherits the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


class Watch:
    """Measures how many cores other programs use from its creation on.

    It subtracts the CPU time of this process and its ended children from that of the machine.
    Threads that wait by spinning, as torch's do, become many times slower when another program
    takes one core. Ratios measured then mean nothing, however often they are measured.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._others_s = _others_cpu_s()

    def others_cores(self) -> float | None:
        """Cores that other programs used, on average; None where it is not known."""
        now = _others_cpu_s()
        if now is None or self._others_s is None:
            return None
        return round(max(0.0, now - self._others_s) / (time.perf_counter() - self._began), 2)


def disturbed(*others_cores: float | None) -> bool:
    """Whether other programs used more than ``DISTURBED`` cores in one of these runs."""
    return any(cores is not None and cores > DISTURBED for cores in others_cores)


def _others_cpu_s() -> float | None:
    if not STAT.exists():
        return None
    # user nice system idle iowait irq softirq steal: stolen time is another machine's work
    ticks = [int(n) for n in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    busy_s = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return busy_s - (own.user + own.system + own.children_user + own.children_system)
