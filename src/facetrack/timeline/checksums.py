"""``files.json``: size and SHA-256 of each file of an analysis, written together with them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from facetrack.core.atomic_write import write_json
from facetrack.core.errors import InputError
from facetrack.core.received_files import json_of, read_below
from facetrack.core.schema import converted

CHECKSUMS = "files.json"
SCHEMA = "facetrack/files/1"
LARGEST = 64 << 20
"""Bytes of such a file that is read."""
STEP = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """Content of one file, as it was written."""

    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class ChecksumFile:
    """All of ``files.json``."""

    schema: str
    files: dict[str, FileFacts]
    """Path in the folder, with ``/``, to its content."""


def facts_of(path: Path) -> FileFacts:
    """Reads a file, a part after the other.

    Raises:
        OSError: when it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(STEP):
            digest.update(part)
            size += len(part)
    return FileFacts(size, digest.hexdigest())


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Writes ``files.json`` for files of a folder; paths with ``/``.

    Raises:
        OSError: when a file cannot be read or written.
    """
    files = {name: asdict(facts_of(folder / name)) for name in sorted(names)}
    text = json.dumps({"schema": SCHEMA, "files": files}, indent=1)
    write_json(folder / CHECKSUMS, text + "\n")


def read_checksums(folder: Path) -> dict[str, FileFacts]:
    """The files of a folder as they were written; none where an older version wrote them.

    Raises:
        InputError: when ``files.json`` cannot be read.
    """
    try:
        stored = converted(json_of(read_below(folder, CHECKSUMS, LARGEST)), ChecksumFile, "")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CHECKSUMS} cannot be read ({error})") from error
    return stored.files
