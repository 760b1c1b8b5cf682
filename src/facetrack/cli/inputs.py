"""The videos of a command: files, folders with all that is in them, lists, and standard input."""

import os
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from facetrack.core.errors import InputError, UsageError
from facetrack.core.limits import limits
from facetrack.core.received_files import read_given

ENDINGS = {
    ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
}  # fmt: skip
"""Of the files of a folder that are taken for videos, where no pattern is given."""
FROM_INPUT = "-"


def all_videos(given: Sequence[Path], lists: Sequence[Path], glob: str | None) -> list[Path]:
    """The videos that a command is about, in the order given; those of a folder by name.

    Args:
        given: files and folders; ``-`` reads a list from standard input.
        lists: files with one path a line.
        glob: pattern of the names of files in folders, as ``*.mp4``; None: all videos.

    Raises:
        UsageError: when nothing is given.
        InputError: when a folder holds no video, or a list cannot be read.
    """
    found: list[Path] = []
    for path in given:
        if str(path) == FROM_INPUT:
            found += _listed(sys.stdin.buffer.read(limits().text_bytes))
        elif path.is_dir():
            inside = _of_folder(path, glob)
            if not inside:
                what = "no video in it" if glob is None else f"no file like {glob} in it"
                raise InputError(f"{path}: a folder with {what}")
            found += inside
        else:
            found.append(path)
    for file in lists:
        try:
            found += _listed(read_given(file, limits().text_bytes))
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error
    if not found:
        raise UsageError("no video is given; give files, folders, --list FILE, or - for a list")
    return found


def _of_folder(folder: Path, glob: str | None) -> list[Path]:
    """The videos below a folder, without those in results of the program."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        if "timeline.json" in files or "renders.json" in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(files) if _is_wanted(name, glob)]
    return found


def _is_wanted(name: str, glob: str | None) -> bool:
    if name.startswith("."):
        return False
    return Path(name).suffix.lower() in ENDINGS if glob is None else fnmatch(name, glob)


def _listed(lines: bytes) -> Iterable[Path]:
    """The paths of a list: one a line; empty lines are left out. Names may be no valid UTF-8."""
    return [Path(os.fsdecode(line)) for line in lines.splitlines() if line.strip()]
