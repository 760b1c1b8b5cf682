"""Tells that memory, threads or open files ran out from what libraries raise, each in its words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from facetrack.core.errors import ResourceError

WORDS = (
    "bad_alloc",  # C++
    "can't alloc",  # oneDNN
    "cannot allocate",
    "failed to allocate",
    "out of memory",
    "broken promise",  # OpenVINO, when one of its threads found none
    "failed to map segment",  # a library that finds no room
    "start new thread",
    "thread constructor failed",
    "resource temporarily unavailable",
)
"""What says so in the text of an error that has no type of its own."""
NUMBERS = {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}


def ran_short(error: BaseException) -> bool:
    """Whether the error, or one that led to it, came from a lack of memory, threads or files."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError | ResourceError):
            return True
        if isinstance(seen, OSError) and seen.errno is not None:
            if seen.errno in NUMBERS:
                return True
        elif isinstance(seen, RuntimeError | ImportError | OSError | SystemError):
            text = str(seen).lower()
            if any(word in text for word in WORDS):
                return True
        seen = seen.__cause__ or seen.__context__
    return False


def shortage(error: BaseException) -> ResourceError:
    """The error to raise where ``ran_short``."""
    reason = ""
    with suppress(Exception):  # there may be no memory for it
        reason = (str(error).strip().splitlines() or [""])[-1].strip()
    said = f" ({reason})" if reason else ""
    return ResourceError(
        f"not enough memory, threads or open files{said}; close other programs, or raise this "
        "process's limit"
    )


@contextmanager
def shortage_said() -> Iterator[None]:
    """Turns what the body raises where memory, threads or files ran out into ``ResourceError``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ResourceError) or not ran_short(error):
            raise
        raise shortage(error) from error
