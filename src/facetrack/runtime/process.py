"""Settings of this process that make a run faster or smaller: memory, collector, threads."""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

M_MMAP_THRESHOLD = -3
PR_SET_PDEATHSIG = 1
LARGE_BLOCK = 1_000_000
"""Bytes from which a block has a memory map of its own; below a frame of 720p."""
SWITCH_INTERVAL_S = 0.0005
"""How long a thread waits at most for the interpreter, which it gives up in each longer NumPy call.
With Python's own 5 ms finding cuts and tracking took 5.0 s side by side, which alone take 0.24 and
1.36 s; with 1 ms 1.8 s, with 0.5 ms 1.5 s, with 0.1 ms 1.6 s (2,100 frames of a crowd, 2 cores of
an Intel Xeon, 2026-11-28)."""

_lock = threading.Lock()
_users = 0
_interval_before_s = 0.0


@cache
def map_large_blocks() -> None:
    """Makes glibc give the memory of decoded frames back as soon as they are released.

    glibc raises the size from which it maps a block each time such a block is freed, up to 32 MiB.
    Frames then come from arenas that several threads fragment, and a long 1080p video takes
    gigabytes. A size that is set stays. It holds for the whole process; without glibc nothing is
    done.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def end_with_parent() -> None:
    """Lets Linux kill this process as soon as the thread that started it ends, whatever ends it.

    Elsewhere nothing is done; the end of a pipe from the parent tells it there.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library without it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def memory_is_limited() -> bool:
    """Whether this process may take only so much address space, as ``ulimit -v`` says."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def usable_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_expandable_segments() -> None:
    """Lets torch's memory segments on a GPU grow, so that batches of other sizes leave no holes.

    Call it before torch first uses a GPU. A setting of the user's stays.
    """
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Inside the body Python's collector ignores all objects that were there before.

    A full collection stops all threads and visits everything that the imported libraries have made:
    80 ms were measured, in which a GPU runs out of work.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """Inside the body Python's threads take turns at least every ``SWITCH_INTERVAL_S``.

    The interval before is set again when the last of several bodies that run side by side ends.
    """
    global _users, _interval_before_s
    with _lock:
        if _users == 0:
            _interval_before_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_interval_before_s, SWITCH_INTERVAL_S))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                sys.setswitchinterval(_interval_before_s)
