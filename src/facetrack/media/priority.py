"""Keeps encoders from making the process real-time.

SVT-AV1 asks for ``SCHED_FIFO`` at priority 99, for its own threads and for the one that opens it,
and gets it where the user is root, as in containers. Such threads run before everything else on the
machine, and every process that is started later inherits it: two of them stop all others.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def usual_priority() -> Iterator[None]:
    """Threads that the body makes real-time, or starts so, are scheduled as the caller was."""
    if sys.platform != "linux":
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if policy != os.SCHED_FIFO:
            for thread in map(int, os.listdir("/proc/self/task")):
                with suppress(OSError):  # it has just ended
                    if os.sched_getscheduler(thread) == os.SCHED_FIFO:
                        os.sched_setscheduler(thread, policy, parameter)
