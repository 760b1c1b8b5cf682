"""How many CPU threads the networks and decoders of this process use."""

import os

VARIABLE = "FACETRACK_THREADS"
"""Set for worker processes, of which there are as many as cores."""


def cpu_threads() -> int | None:
    """Threads for each network and each decoder; None: as many as their library finds best."""
    wanted = os.environ.get(VARIABLE)
    return int(wanted) if wanted else None
