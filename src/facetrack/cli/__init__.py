"""The command line: parses, calls the library, prints. Errors become a line and an exit code."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from facetrack.core.errors import FacetrackError

INTERRUPTED = 130


def main() -> NoReturn:
    """Entry point of ``facetrack``: an error is printed as one line and sets the exit code."""
    import typer
    from typer.exceptions import TyperException

    from facetrack.cli.commands import app

    debug = "--debug" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code and prints nothing
            raise KeyboardInterrupt
    except FacetrackError as error:
        if debug:
            raise
        _say(str(error))
        code = error.exit_code
    except TyperException as error:
        show = getattr(error, "show", None)
        show() if show else _say(str(error))
        code = getattr(error, "exit_code", 2)
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted; nothing half-written is left")
        code = INTERRUPTED
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}; choose another output folder or free some space")
        code = 5
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """Ends the process without the interpreter's shutdown.

    Our threads are joined and our files closed. Libraries keep threads of their own, and in about
    2 of 100 runs C++ aborted the process when these ended during the shutdown.
    """
    with suppress(BrokenPipeError):  # the program that reads the output has ended
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr)
