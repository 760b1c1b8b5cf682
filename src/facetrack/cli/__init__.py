"""The command line: parses, calls the library, prints. Errors become a line and an exit code."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from facetrack.core.errors import FacetrackError

INTERRUPTED = 130


def main() -> NoReturn:
    """Entry point of ``facetrack``: an error is printed as one line and sets the exit code."""
    from facetrack.cli.terminal import guard_messages, visible, warn

    guard_messages()  # before Typer, which keeps what shows tracebacks

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
        warn(error)
        code = error.exit_code
    except TyperException as error:
        for name, said in vars(error).items():  # Typer prints the arguments that were given
            if isinstance(said, str):
                setattr(error, name, visible(said))
        show = getattr(error, "show", None)
        show() if show else warn(error)
        code = getattr(error, "exit_code", 2)
    except (KeyboardInterrupt, typer.Abort):
        warn("interrupted; nothing half-written is left")
        code = INTERRUPTED
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        warn(f"{where}{error.strerror or error}; choose another output folder or free some space")
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
