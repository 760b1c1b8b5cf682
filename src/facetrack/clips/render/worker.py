"""``python -m facetrack.clips.render.worker``: writes the clips of tasks that come over its input.

Pickled ``Task`` objects in, pickled ``Outcome`` objects out, ``None`` when a task is done. Imports
what it needs and nothing else: most of the time that a short clip takes is a process's start.
"""

import os
import pickle
import signal
import sys
from typing import IO

from facetrack.clips.render.decode_once import write_clips


def main() -> None:
    """Takes tasks until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: its parent acts
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # encoders that print would print between the answers
    tasks = sys.stdin.buffer
    while True:
        try:
            task = pickle.load(tasks)
        except EOFError:
            return
        for outcome in write_clips(task):
            _send(outcome, answers)
        _send(None, answers)


def _send(what: object, answers: IO[bytes]) -> None:
    pickle.dump(what, answers)
    answers.flush()


if __name__ == "__main__":
    main()
