"""The command ``facetrack`` in a process of its own, as users start it."""

import subprocess
import sys


def facetrack(*arguments, cwd=None):
    """Runs ``facetrack ARGUMENTS``; the result has the exit code and both outputs as text."""
    return subprocess.run(
        [sys.executable, "-m", "facetrack", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=250,
    )  # fmt: skip


def one_line(text):
    """The only line of a text; fails when there are others, or a traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]
