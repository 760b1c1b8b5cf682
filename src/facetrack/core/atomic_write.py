"""Files that appear under their final names only when whole."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(final: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``final``; it takes the name only when the body succeeds.

    Raises:
        OSError: when it cannot take it.
    """
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(final: Path, text: str) -> None:
    """Writes JSON, or lines of it, whole and in UTF-8.

    Names of files need not be UTF-8: what is not becomes an escape that JSON reads back.

    Raises:
        OSError: when it cannot.
    """
    with atomic_write(final) as path:
        path.write_text(text, "utf-8", errors="backslashreplace")
