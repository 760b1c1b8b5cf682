"""Edits of an analysis folder: all files change or none, and each edit can be undone.

1. An edit is prepared in ``FOLDER/.history/next/``: ``new/`` has the new files, ``old/`` the files
   that they replace, and ``change.json`` the rest.
2. Renaming ``next`` to the number of the edit commits it. Before that, nothing has changed. After
   it, the files are moved to their places; if the process is killed, the next one that opens the
   folder finishes this.
3. The numbered folder keeps what undo needs. Renaming it to ``undo`` commits the undo, and the
   files in ``old/`` go back to their places.

Files that are made from the others, as the report, are removed by every edit and not kept.
"""

import filecmp
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from facetrack.core.errors import FacetrackError, InputError, UsageError
from facetrack.core.limits import limits
from facetrack.core.received_files import (
    check_file,
    check_folder,
    check_tree,
    file_below,
    is_below,
    json_of,
    read_below,
    remove_below,
)
from facetrack.core.schema import converted

T = TypeVar("T")

HISTORY = ".history"
STATE = "timeline.json"
"""Every edit changes this file, and moves it into place last."""
FILES = (STATE, "faces.parquet", "frames.parquet", "embeddings.npz", "metrics.jsonl")
PEOPLE = "people"
THUMBNAILS = f"{PEOPLE}/*.jpg"
THUMBNAIL = re.compile(rf"{PEOPLE}/[^/]+\.jpg")
DERIVED = ("report.html", ".report.html.*.partial")
"""Files made from the others; the second is what a killed process leaves of a report."""
LOCKS = ("lock", "lock-journal", "lock-wal", "lock-shm")
"""The lock, and the files that SQLite may read beside it."""
WAIT_S = 30.0
"""Seconds to wait for another process that changes the folder."""


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


class History:
    """The edits of one folder; several processes may use the same folder at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / HISTORY

    def steps(self) -> list[str]:
        """Names of the edits that can be undone, the latest last."""
        return [self._change(step).what for step in self._numbered()]

    def steady(self, read: Callable[[], T]) -> T:
        """Calls ``read`` until no edit came between, so that it sees one state of the folder."""
        while True:
            before = self._settle()
            try:
                found = read()
            except FacetrackError:
                if self._names() == before:
                    raise
            else:
                if self._names() == before:
                    return found

    def change(self, what: str, write: Callable[[Path], None]) -> None:
        """Replaces the files of the folder by those that ``write`` makes, as one edit.

        Args:
            what: name of the edit, for ``steps`` and ``undo``.
            write: writes all files into the folder that it is given. It may read the present
                state: no other process can change it meanwhile. When it writes no
                ``timeline.json``, or the same one, there is no edit.
        """
        with self._alone():
            coming = self._place / "next"
            new, old = coming / "new", coming / "old"
            (old / "people").mkdir(parents=True)
            new.mkdir()
            write(new)
            now, then = _files(self._folder), _files(new)
            for name in now & then:
                if filecmp.cmp(self._folder / name, new / name, shallow=False):
                    (new / name).unlink()
                else:
                    _link(self._folder / name, old / name)
            for name in now - then:
                _link(self._folder / name, old / name)
            if not (new / STATE).exists():
                return
            facts = Change(what, sorted(now - then), sorted(then - now), _digest(new))
            (coming / "change.json").write_text(json.dumps(asdict(facts)))
            numbers = [int(step.name) for step in self._numbered()]
            os.rename(coming, self._place / f"{max(numbers, default=0) + 1:04}")
            self._carry_out()

    def undo(self) -> str:
        """Undoes the latest edit and returns its name.

        Raises:
            UsageError: when there is no edit, or the files were changed after it in another way.
        """
        with self._alone():
            steps = self._numbered()
            if not steps:
                raise UsageError(f"{self._folder}: there is nothing to undo")
            change = self._change(steps[-1])
            if _digest(self._folder) != change.state:
                raise UsageError(
                    f"{self._folder}/{STATE} was changed after {change.what!r}, by hand or by a "
                    "new analysis; undoing would lose that"
                )
            os.rename(steps[-1], self._place / "undo")
            self._carry_out()
        return change.what

    def erase(self) -> int:
        """Deletes what undo needs, for good; returns the number of edits that this affects."""
        if not self._place.is_dir():
            return 0
        with self._alone():
            steps = self._numbered()
            for step in steps:  # the oldest first: what a kill leaves can still be undone
                os.rename(step, self._place / "erased")
                shutil.rmtree(self._place / "erased")
        return len(steps)

    def _numbered(self) -> list[Path]:
        return sorted(step for step in self._place.glob("[0-9]*") if step.name.isdecimal())

    def _names(self) -> set[str]:
        # A user who may read the folder but not its history sees the finished edits.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return set(os.listdir(self._place)) - {"lock", "next"}
        return set()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks the folder for the body, after finishing an edit that was interrupted.

        Raises:
            InputError: when the history or the folder of thumbnails holds or is a link: the folder
                may come from anybody, and files elsewhere would be moved and removed.
        """
        check_folder(self._folder, PEOPLE)
        check_folder(self._folder, HISTORY)
        with suppress(FileExistsError):
            self._place.mkdir(mode=0o700)  # it may hold faces that were removed from the folder
        for name in LOCKS:  # SQLite opens what these are
            check_file(self._folder, f"{HISTORY}/{name}")
        # SQLite's lock works on every system and ends with a process that is killed.
        lock = sqlite3.connect(self._place / "lock", timeout=WAIT_S, isolation_level=None)
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise InputError(
                    f"{self._folder} cannot be changed now ({error}); is another facetrack at it?"
                ) from error
            check_tree(self._folder, HISTORY)
            self._carry_out()
            for name in ("next", "erased"):
                shutil.rmtree(self._place / name, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._place / "next", ignore_errors=True)

    def _settle(self) -> set[str]:
        """Finishes an edit or an undo that a killed process had committed.

        Returns:
            The names of the history with which all files of the folder are in their places.
        """
        names = self._names()
        while "undo" in names or any((self._place / name / "new").exists() for name in names):
            with self._alone():
                names = self._names()
        return names

    def _carry_out(self) -> None:
        """Moves committed files into place; may be repeated after an interruption at any point."""
        for step in self._numbered():
            if (step / "new").exists():
                self._put(step / "new", self._change(step).gone)
                shutil.rmtree(step / "new")
        undo = self._place / "undo"
        if (undo / "change.json").exists():  # else only its folder is left to remove
            self._put(undo / "old", self._change(undo).came)
            (undo / "change.json").unlink()
        shutil.rmtree(undo, ignore_errors=True)

    def _put(self, files: Path, gone: list[str]) -> None:
        derived = [path.name for name in DERIVED for path in self._folder.glob(name)]
        for name in (*derived, *gone):
            remove_below(self._folder, name)
        for name in sorted(_files(files), key=lambda name: name == STATE):
            (self._folder / name).parent.mkdir(exist_ok=True)
            os.replace(files / name, self._folder / name)

    def _change(self, step: Path) -> Change:
        """What an edit did, if it names only files that an edit can change.

        Raises:
            InputError: when it names others, or cannot be read.
        """
        name = f"{HISTORY}/{step.name}/change.json"
        try:
            change = converted(
                json_of(read_below(self._folder, name, limits().text_bytes)), Change, ""
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._folder}/{name} cannot be read ({error}); to go on without the undo of "
                f"earlier edits, delete {self._folder / HISTORY}"
            ) from error
        for file in (*change.gone, *change.came):
            if not _is_ours(file):
                raise InputError(
                    f"{self._folder}/{name} names {file[:200]!r}, which no edit changes; "
                    f"delete {self._folder / HISTORY} if the folder is not yours"
                )
        return change


def _is_ours(name: str) -> bool:
    return name in FILES or (is_below(name) and THUMBNAIL.fullmatch(name) is not None)


def _files(folder: Path) -> set[str]:
    names = [*FILES, *(f"{PEOPLE}/{path.name}" for path in folder.glob(THUMBNAILS))]
    return {name for name in names if file_below(folder, name) is not None}


def _digest(folder: Path) -> str:
    return hashlib.sha256(read_below(folder, STATE, limits().text_bytes)).hexdigest()


def _link(path: Path, other: Path) -> None:
    """Makes a hard link to the file; a copy where the file system has no hard links."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
