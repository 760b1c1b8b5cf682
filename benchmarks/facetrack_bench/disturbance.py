"""Whether other programs were at work while something was measured.

Threads that wait by spinning, as torch's do, become many times slower when one core is taken: a
ratio measured then says nothing, however often it is measured.
"""

import os
import time
from pathlib import Path

DISTURBED = 0.25
"""Cores in use by others, on average, from which a measurement is not to be relied on."""
STAT = Path("/proc/stat")


class Watch:
    """Compares the machine's CPU time with that of this program and its ended children."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._others_s = _others_cpu_s()

    def others_cores(self) -> float | None:
        """Cores that others used on average since the watch began; None: not known here."""
        now = _others_cpu_s()
        if now is None or self._others_s is None:
            return None
        return round(max(0.0, now - self._others_s) / (time.perf_counter() - self._began), 2)


def disturbed(*others_cores: float | None) -> bool:
    """Whether others took so many cores in one of the runs that its figures mean little."""
    return any(cores is not None and cores > DISTURBED for cores in others_cores)


def _others_cpu_s() -> float | None:
    if not STAT.exists():
        return None
    # user nice system idle iowait irq softirq steal: what is stolen runs beside us too
    ticks = [int(n) for n in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    busy_s = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return busy_s - (own.user + own.system + own.children_user + own.children_system)
