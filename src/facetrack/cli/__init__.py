"""The command line: parses, calls the library, prints. Errors become a line and an exit code."""

import os
import sys

from facetrack.cli import signals

INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""


def main() -> None:
    """Entry point of ``facetrack``: an error is printed as one line and sets the exit code."""
    signals.end_at_once()
    try:
        code = _run()
    except KeyboardInterrupt:
        _say("interrupted; nothing half-written is left")
        code = signals.exit_code()
    except Exception as error:
        code = _code_of(error)
    signals.end_at_once()  # all is written; only the interpreter has to end
    _flush()
    sys.exit(code)


def _run() -> int:
    from facetrack.cli.terminal import guard_messages, visible, warn

    guard_messages()  # before Typer, which keeps what shows tracebacks

    import typer
    from typer.exceptions import TyperException

    from facetrack.cli.commands import app

    signals.end_in_order()
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        for name, said in vars(error).items():  # Typer prints the arguments that were given
            if isinstance(said, str):
                setattr(error, name, visible(said))
        show = getattr(error, "show", None)
        show() if show else warn(error)
        return int(getattr(error, "exit_code", 2))
    except typer.Abort:
        raise KeyboardInterrupt from None
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _code_of(error: Exception) -> int:
    """The exit code of an error, after its line."""
    try:
        from facetrack.cli.failures import described, show_traceback
        from facetrack.cli.terminal import warn

        show_traceback(error)
        failure = described(error)
    except (MemoryError, ImportError, OSError):  # there is not even memory for this
        _say(f"not enough memory ({type(error).__name__})")
        return 1
    warn(failure)
    return failure.exit_code


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the program that reads the output has ended; Python would say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr)
