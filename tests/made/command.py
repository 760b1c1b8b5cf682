"""The command ``facetrack`` in a process of its own, as users start it."""

import subprocess
import sys


def facetrack(*arguments, cwd=None, memory=None, input=None):
    """Runs ``facetrack ARGUMENTS``; the result has the exit code and both outputs as text.

    Args:
        memory: bytes of address space that the process may take, on Linux.
        input: text for its standard input.
    """

    def limited():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return subprocess.run(
        [sys.executable, "-m", "facetrack", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=250, input=input,
        preexec_fn=limited if memory else None,
    )  # fmt: skip


def one_line(text):
    """The only line of a text; fails when there are others, or a traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]
