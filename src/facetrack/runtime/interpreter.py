"""How soon Python's threads take turns while a video is analysed."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL_S = 0.0005
"""A thread that gave the interpreter up, as each longer NumPy call does, waits so long for it.
With Python's own 5 ms finding cuts and tracking took 5.0 s side by side, which alone take 0.24 and
1.36 s; with 1 ms 1.8 s, with 0.5 ms 1.5 s, with 0.1 ms 1.6 s (2,100 frames of a crowd, 2 cores of
an Intel Xeon, 2026-11-28)."""

_lock = threading.Lock()
_running = 0
_before = 0.0


@contextmanager
def quick_turns() -> Iterator[None]:
    """Threads take turns more often inside the body; as before, when the last one of those that run
    side by side has ended. What is quick enough already stays."""
    global _running, _before
    with _lock:
        if _running == 0:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(_before, SWITCH_INTERVAL_S))
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0:
                sys.setswitchinterval(_before)
