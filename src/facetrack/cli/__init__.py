"""The command line: parses, calls the library, prints. What ends it with which code is here."""

import os
import sys
from contextlib import suppress
from typing import NoReturn

from facetrack.core.errors import FacetrackError

INTERRUPTED = 130


def main() -> NoReturn:
    """Entry point of ``facetrack``; errors become one line and an exit code."""
    import typer
    from typer.exceptions import TyperException

    from facetrack.cli.commands import app

    debug = "--debug" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns Ctrl-C into this code itself, without a word
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
    """Ends the process as it is. All threads of ours are joined and all files closed; but libraries
    keep threads, and in about 2 of 100 runs C++ aborted a process that took them down at its end.
    """
    with suppress(BrokenPipeError):  # whoever read us has gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr)
