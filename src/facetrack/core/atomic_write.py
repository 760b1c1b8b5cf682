"""Files that appear under their final names only when they are complete."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(final: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``final``, and renames the file when the body succeeds.

    When the body fails, the temporary file is removed and ``final`` is as before.

    Raises:
        OSError: when the file cannot be renamed.
    """
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial")
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
