"""How much memory this process has had at most."""

import sys
from pathlib import Path


def peak_mib() -> float | None:
    """Peak resident memory in MiB (2**20 bytes) since the program started; None: not known here.

    Linux's ``ru_maxrss`` would not do: a process started by a large one inherits its peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
