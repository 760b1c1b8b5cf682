"""Runs the command line in a process of its own, as a user does."""

import subprocess
import sys


def facetrack(*arguments, cwd=None):
    """The finished process, with standard output and standard error as text."""
    return subprocess.run(
        [sys.executable, "-m", "facetrack", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=250,
    )  # fmt: skip


def one_line(text):
    """The only line of a message; fails when there are more, or a traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]
