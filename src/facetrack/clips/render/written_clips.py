"""The list of the files that a render wrote, by which the next render knows what it may remove.

``.clips.jsonl`` of a result has a line with path and size for each file, added when the file is
complete. A file is removed only when it is in this list, has the size that the list says, and lies
in ``clips/`` itself: users edit ``crops.parquet``, and a result folder may come from anybody.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from facetrack.clips.plan.naming import is_clip
from facetrack.core.limits import limits
from facetrack.core.received_files import (
    check_file,
    file_below,
    json_of,
    read_below,
    remove_below,
)
from facetrack.core.schema import converted

LIST = ".clips.jsonl"


@dataclass(frozen=True)
class WrittenFile:
    """A line of the list."""

    path: str
    """In the result folder, with ``/`` between its parts."""
    bytes: int


def remove_written(out: Path) -> None:
    """Removes the clips of earlier renders that are as they were written, and the list.

    Raises:
        InputError: when the list is a link.
    """
    for file in _listed(out):
        found = file_below(out, file.path) if is_clip(file.path) else None
        if found is not None and found.st_size == file.bytes:
            remove_below(out, file.path)
            with suppress(OSError):  # the folder holds other files
                (out / file.path).parent.rmdir()
    remove_below(out, LIST)


def add_written(out: Path, path: Path) -> None:
    """Adds a complete file to the list, if it lies in ``clips/``.

    Args:
        path: of the file, which begins with ``out``.
    """
    line = WrittenFile(path.relative_to(out).as_posix(), path.stat().st_size)
    if not is_clip(line.path):
        return
    check_file(out, LIST)
    with (out / LIST).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(line)) + "\n")


def _listed(out: Path) -> list[WrittenFile]:
    try:
        lines = read_below(out, LIST, limits().text_bytes).splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError):  # the last line of a process that was killed
            found.append(converted(json_of(line), WrittenFile, ""))
    return found
