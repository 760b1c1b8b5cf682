"""Files that appear under their final names only when they are complete."""

import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.partial(\.\w+)?")
"""Names of files that are not complete."""
SWEPT = ("", "people", "clips", "exports")
"""Folders of a result in which such files lie; in those of clips there are more folders."""


def partial_name(final: Path, suffix: str = "") -> Path:
    """A new name beside ``final`` for a file that is not complete.

    Args:
        suffix: ending of the name, with the dot, for those who choose a format by it.
    """
    return final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial{suffix}")


def sweep_partials(folder: Path) -> None:
    """Removes the incomplete files that killed processes left in a result folder.

    Only regular files with names of ours, in folders of ours; links are not followed. Nobody may
    be writing in the folder.
    """
    waiting = [folder / name for name in SWEPT]
    while waiting:
        place = waiting.pop()
        try:
            if not stat.S_ISDIR(os.lstat(place).st_mode) and place != folder:
                continue
            entries = list(os.scandir(place))
        except OSError:  # it is missing, or may not be read
            continue
        for entry in entries:
            if place != folder and entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)


@contextmanager
def atomic_write(final: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``final``, and renames the file when the body succeeds.

    When the body fails, the temporary file is removed and ``final`` is as before.

    Raises:
        OSError: when the file cannot be renamed.
    """
    temporary = partial_name(final)
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(final: Path, text: str) -> None:
    """Writes JSON, or JSON lines, in UTF-8; the file appears only when it is complete.

    File names need not be UTF-8: bytes that are not become an escape that JSON reads back.

    Raises:
        OSError: when the file cannot be written.
    """
    with atomic_write(final) as path:
        path.write_text(text, "utf-8", errors="backslashreplace")
