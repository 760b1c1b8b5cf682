"""SIGINT, SIGTERM and SIGHUP end a command in order, with 128 and their number as exit code.

Without a handler a process of number 1, as in a container, does not hear them at all.
"""

import os
import signal
import time

TYPE_CHECKING = False  # as in ``facetrack``: this has to load fast
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

REPEATED_S = 1.0
"""A signal that comes again within these seconds is the same one: ``timeout``, for example, sends
it to the process and to its group."""

_stopped: tuple[int, float] | None = None
"""The first signal, and when it came."""


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end; raised in the main thread."""


def end_at_once() -> None:
    """While modules load and nothing is written: a signal ends the process with one line."""
    _handle(_end)


def end_in_order() -> None:
    """From now on a signal raises ``Stopped``; a second one, later, ends the process at once."""
    _handle(_stop)


def exit_code() -> int:
    """128 and the number of the signal that came; of Ctrl-C where none did."""
    return 128 + (_stopped[0] if _stopped is not None else signal.SIGINT)


def _handle(handler: "signal._HANDLER") -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # What the caller has switched off, as nohup does, stays off.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, _frame: "FrameType | None") -> "NoReturn":
    os.write(2, b"facetrack: interrupted\n")
    os._exit(128 + number)


def _stop(number: int, frame: "FrameType | None") -> None:
    global _stopped
    if _stopped is None:
        _stopped = number, time.monotonic()
        raise Stopped
    if time.monotonic() - _stopped[1] > REPEATED_S:
        _end(number, frame)
