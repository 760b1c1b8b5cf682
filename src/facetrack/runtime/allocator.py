"""Settings of the allocators, of the C library and of torch, and of Python's collector.

The first: memory of decoded frames is given back as they are let go.

glibc raises the size from which it maps memory of its own each time such a block is freed, up to
32 MiB. Frames then come from arenas that several threads fragment, and a long 1080p video takes
gigabytes. A size that is set once stays.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

M_MMAP_THRESHOLD = -3
LARGE = 1_000_000
"""Bytes; below a frame of 720p."""


@cache
def map_large_blocks() -> None:
    """For the whole process, once; does nothing where there is no glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)


def grow_in_one_piece() -> None:
    """torch's segments on a GPU grow where they are, so sizes that change leave no holes.

    To be called before torch first uses a GPU; what the user has set stays.
    """
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Python's collector leaves alone what was there before the body.

    Each of its full runs stops all threads and looks at all that importing the libraries has made,
    too: 80 ms were measured, in which a GPU runs out of work.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
