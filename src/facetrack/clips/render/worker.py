"""``python -m facetrack.clips.render.worker``: the process that writes clips.

Reads pickled ``RenderTask`` objects from its input; writes pickled ``Outcome`` objects, and None
at the end of each task. It imports only what it needs, because to start a process takes longer
than to write a short clip.
"""

import os
import pickle
import signal
import sys
from typing import IO

from facetrack.clips.render.decode_once import write_clips


def main() -> None:
    """Takes tasks until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent acts
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what encoders print must not mix with the answers
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
