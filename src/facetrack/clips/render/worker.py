"""``python -m facetrack.clips.render.worker``: the process that writes clips.

Reads pickled ``RenderTask`` objects from its input; writes pickled ``Outcome`` objects, and None
at the end of each task. It imports only what it needs, because to start a process takes longer
than to write a short clip.

It ends when its input ends, also in the middle of a clip: then the parent has ended, or wants no
more of it.
"""

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import IO, TYPE_CHECKING, NoReturn

from facetrack.runtime.process import end_with_parent

if TYPE_CHECKING:
    from facetrack.clips.render.messages import RenderTask

SIGNALS_OF_A_TERMINAL = ("SIGINT", "SIGTERM", "SIGHUP")
"""They reach all processes of a group; the parent acts."""


def main() -> None:
    """Takes tasks until its input ends."""
    end_with_parent()
    for name in SIGNALS_OF_A_TERMINAL:
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        _serve()
    except BaseException:  # not through the interpreter's shutdown, for which a thread reads input
        traceback.print_exc()
        os._exit(1)


def _serve() -> NoReturn:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what encoders print must not mix with the answers
    # Imported before the thread starts, which imports by unpickling.
    from facetrack.clips.render.decode_once import write_clips

    tasks: queue.SimpleQueue[RenderTask] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), name="tasks", daemon=True).start()
    while True:
        for outcome in write_clips(tasks.get()):
            _send(outcome, answers)
        _send(None, answers)


def _receive(tasks: "queue.SimpleQueue[RenderTask]") -> None:
    """Passes tasks on as they come; ends the process at the end of its input."""
    try:
        while True:
            tasks.put(pickle.load(sys.stdin.buffer))
    except EOFError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _send(what: object, answers: IO[bytes]) -> None:
    pickle.dump(what, answers)
    answers.flush()


if __name__ == "__main__":
    main()
