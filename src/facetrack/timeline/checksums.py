"""``files.json``: size and SHA-256 of each file of an analysis, written together with them.

It also has what makes the analysis again: the video and the settings.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facetrack.core.atomic_write import write_json
from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.received_files import json_of, read_below
from facetrack.core.schema import converted
from facetrack.core.types import VideoInfo

CHECKSUMS = "files.json"
SCHEMA = "facetrack/files/1"
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
    video: str = ""
    fingerprint: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the analysis, as ``timeline.json`` has them."""


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


def write_checksums(
    folder: Path, names: Iterable[str], info: VideoInfo, settings: dict[str, Any]
) -> None:
    """Writes ``files.json``.

    Args:
        folder: of the analysis.
        names: of its files, with ``/``.
        info: of its video.
        settings: that it was made with.

    Raises:
        OSError: when a file cannot be read or written.
    """
    facts = {name: facts_of(folder / name) for name in sorted(names)}
    file = ChecksumFile(SCHEMA, facts, str(info.path), info.fingerprint, settings)
    write_json(folder / CHECKSUMS, json.dumps(asdict(file), indent=1, ensure_ascii=False) + "\n")


def read_checksums(folder: Path) -> ChecksumFile:
    """The files of a folder as they were written; none where an older version wrote them.

    Raises:
        InputError: when ``files.json`` cannot be read.
    """
    try:
        return converted(
            json_of(read_below(folder, CHECKSUMS, limits().text_bytes)), ChecksumFile, ""
        )
    except FileNotFoundError:
        return ChecksumFile(SCHEMA, {})
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CHECKSUMS} cannot be read ({error})") from error
