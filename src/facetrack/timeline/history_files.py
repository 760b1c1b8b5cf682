"""What the history of a result folder stores: the record of each change, and the files of it.

A folder may come from anybody: names that a record carries are checked before they are used.
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from facetrack.core.errors import InputError
from facetrack.core.folder_lock import HISTORY
from facetrack.core.limits import limits
from facetrack.core.received_files import file_below, is_below, json_of, read_below
from facetrack.core.schema import converted
from facetrack.timeline.checksums import CHECKSUMS

STATE = "timeline.json"
"""Every edit changes this file, and moves it into place last."""
FILES = (STATE, "faces.parquet", "frames.parquet", "embeddings.npz", "metrics.jsonl", CHECKSUMS)
PEOPLE = "people"
THUMBNAILS = f"{PEOPLE}/*.jpg"
THUMBNAIL = re.compile(rf"{PEOPLE}/[^/]+\.jpg")
DERIVED = ("report.html", ".report.html.*.partial")
"""Files made from the others; the second is what a killed process leaves of a report."""
AFTER = "after.json"
"""File of an edit: ``timeline.json`` as the edit wrote it."""
RENEWED = "renewed"
"""Folder of a committed switch to a result that was made anew."""


@dataclass(frozen=True)
class Change:
    """``change.json`` of an edit."""

    what: str
    """Name of the edit."""
    gone: list[str]
    """Files that the edit removed; paths in the folder."""
    came: list[str]
    """Files that the edit added."""
    state: str | None
    """SHA-256 of ``timeline.json`` after the edit."""
    renewed: bool = False
    """Whether it is no edit: the whole result was made anew."""
    drops: list[str] = field(default_factory=list)
    """``renewed``: the steps that end with the result before."""
    kept_as: str = ""
    """``renewed``: the step that can bring the result before back; empty: nothing can."""


@dataclass(frozen=True)
class Edit:
    """An edit that was made: the state of the people before and after it."""

    what: str
    """Name of the edit."""
    before: Path
    """``timeline.json`` before it."""
    after: Path
    """``timeline.json`` as it wrote it."""


def name_of_step(name: str) -> bool:
    """Whether a folder of this name in the history is a step."""
    return name.isdecimal() and name.isascii()


def is_result_file(name: str) -> bool:
    """Whether a file of this name is a part of an analysis, which edits may change."""
    return name in FILES or (is_below(name) and THUMBNAIL.fullmatch(name) is not None)


def files_of(folder: Path) -> set[str]:
    """The files of an analysis that are in a folder, with ``/`` between the parts."""
    names = [*FILES, *(f"{PEOPLE}/{path.name}" for path in folder.glob(THUMBNAILS))]
    return {name for name in names if file_below(folder, name) is not None}


def digest_of(folder: Path) -> str:
    """SHA-256 of the folder's ``timeline.json``."""
    return hashlib.sha256(read_below(folder, STATE, limits().text_bytes)).hexdigest()


def link(path: Path, other: Path) -> None:
    """Makes a hard link to the file; a copy where the file system has no hard links."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def read_change(folder: Path, step: Path) -> Change:
    """What an edit did, if it names only files that an edit can change.

    Raises:
        InputError: when it names others, or cannot be read.
    """
    name = f"{HISTORY}/{step.name}/change.json"
    try:
        change = converted(json_of(read_below(folder, name, limits().text_bytes)), Change, "")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}/{name} cannot be read ({error}); to go on without the undo of "
            f"earlier edits, delete {folder / HISTORY}"
        ) from error
    steps = (*change.drops, *filter(None, [change.kept_as]))
    for file in (*change.gone, *change.came, *steps):
        if not (name_of_step(file) if file in steps else is_result_file(file)):
            raise InputError(
                f"{folder}/{name} names {file[:200]!r}, which no edit changes; "
                f"delete {folder / HISTORY} if the folder is not yours"
            )
    return change
