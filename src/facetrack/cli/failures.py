"""What a command says of an error, and the exit code that goes with it."""

import sys
import traceback
from pathlib import Path

import av.error

from facetrack.cli.terminal import visible
from facetrack.core.errors import ClipError, FacetrackError, InputError
from facetrack.core.shortage import ran_short, shortage


def described(error: Exception) -> FacetrackError:
    """The error with a line for the user: itself where it is ours."""
    if isinstance(error, FacetrackError):
        return error
    if ran_short(error):
        return shortage(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return ClipError(
            f"{where}{error.strerror or error}; choose another output folder or free some space"
        )
    return FacetrackError(
        f"{_named(error)}; this is a fault of facetrack: please report it with what --debug says"
    )


def described_of(film: Path, error: Exception) -> FacetrackError:
    """As ``described``, of an error that came while one film, or one folder, was worked on.

    What a film makes a library raise is said of the film: it cannot be read.
    """
    if isinstance(error, FacetrackError):
        return error
    if ran_short(error):
        return InputError(f"{film}: {shortage(error)}")
    about = getattr(error, "filename", None)
    if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
        if about is None or Path(about) != film:
            return described(error)
        return InputError(f"{film}: {error.strerror or error}")
    return InputError(f"{film}: cannot be worked on ({_named(error)})")


def show_traceback(error: Exception) -> None:
    """Prints it where the user asked for it with ``--debug``."""
    if "--debug" in sys.argv[1:]:
        lines = "".join(traceback.format_exception(error))
        print(visible(lines, keep="\n"), end="", file=sys.stderr)


def _named(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
