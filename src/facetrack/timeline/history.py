"""Several files of a folder change together or not at all, and can be changed back.

A change is made ready in ``FOLDER/.history/next/``: ``new/`` holds the files that come, ``old/``
those that they take the place of, ``change.json`` says the rest. Renaming ``next`` to its number
decides. Before that nothing has happened; after it the change is carried out to its end, by whoever
opens the folder next if the process is killed. What it leaves there is what undoing needs: a number
is renamed to ``undo``, which decides too, and its ``old`` files go back to their places.

Files that can be made anew from the others are removed by each change and kept by none.
"""

import filecmp
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from facetrack.core.errors import FacetrackError, InputError, UsageError

T = TypeVar("T")

HISTORY = ".history"
STATE = "timeline.json"
"""The file that changes last, and with every change."""
FILES = (STATE, "faces.parquet", "frames.parquet", "embeddings.npz", "metrics.jsonl")
PICTURES = "people/*.jpg"
DERIVED = ("report.html", ".report.html.*.partial")
"""The second: what a process that was killed left of one."""
WAIT_S = 30.0
"""For another process that changes the folder."""


class History:
    """Of one folder; its methods may be called by several processes at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / HISTORY

    def steps(self) -> list[str]:
        """What can be undone, the latest last."""
        return [_facts(step)["what"] for step in self._numbered()]

    def steady(self, read: Callable[[], T]) -> T:
        """What ``read`` gives of one and the same state of the folder, all of it settled."""
        while True:
            self._settle()
            before = self._names()
            try:
                found = read()
            except FacetrackError:
                if self._names() == before:
                    raise
            else:
                if self._names() == before:
                    return found

    def change(self, what: str, write: Callable[[Path], None]) -> None:
        """The files become those that ``write`` puts into the folder that it is given.

        ``write`` reads the present state itself: nobody else changes it meanwhile. Where that is
        the state that it writes, there is no step to undo.
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
            facts = {
                "what": what,
                "gone": sorted(now - then),
                "came": sorted(then - now),
                "state": _digest(new / STATE) if (new / STATE).exists() else None,
            }
            if facts["state"] is None:
                return
            (coming / "change.json").write_text(json.dumps(facts))
            numbers = [int(step.name) for step in self._numbered()]
            os.rename(coming, self._place / f"{max(numbers, default=0) + 1:04}")
            self._carry_out()

    def undo(self) -> str:
        """Takes the latest change back; says which it was.

        Raises:
            UsageError: when there is none, or the state is not the one that it left.
        """
        with self._alone():
            steps = self._numbered()
            if not steps:
                raise UsageError(f"{self._folder}: there is nothing to undo")
            facts = _facts(steps[-1])
            if _digest(self._folder / STATE) != facts["state"]:
                raise UsageError(
                    f"{self._folder}/{STATE} was changed after {facts['what']!r}, by hand or by a "
                    "new analysis; undoing would lose that"
                )
            os.rename(steps[-1], self._place / "undo")
            self._carry_out()
        return str(facts["what"])

    def erase(self) -> int:
        """Nothing can be undone any more; how many steps are gone for good."""
        if not self._place.is_dir():
            return 0
        with self._alone():
            steps = self._numbered()
            for step in steps:  # the oldest first: what a killed process leaves can be undone
                os.rename(step, self._place / "erased")
                shutil.rmtree(self._place / "erased")
        return len(steps)

    def _numbered(self) -> list[Path]:
        return sorted(step for step in self._place.glob("[0-9]*") if step.name.isdecimal())

    def _names(self) -> set[str]:
        # Who may read the folder need not be its owner: they see what is settled.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return set(os.listdir(self._place)) - {"lock", "next"}
        return set()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A settled folder that nobody else changes, until the body is done."""
        with suppress(FileExistsError):
            self._place.mkdir(mode=0o700)  # it may hold faces that were taken out of the folder
        # SQLite's lock is there on every system, and goes with a process that is killed.
        lock = sqlite3.connect(self._place / "lock", timeout=WAIT_S, isolation_level=None)
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise InputError(
                    f"{self._folder} cannot be changed now ({error}); is another facetrack at it?"
                ) from error
            self._carry_out()
            for name in ("next", "erased"):
                shutil.rmtree(self._place / name, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._place / "next", ignore_errors=True)

    def _settle(self) -> None:
        """Carries out what a killed process had decided."""
        names = self._names()
        if "undo" in names or any((self._place / name / "new").exists() for name in names):
            with self._alone():
                pass

    def _carry_out(self) -> None:
        """May be done again from anywhere in the middle; the state comes last."""
        for step in self._numbered():
            if (step / "new").exists():
                self._put(step / "new", _facts(step)["gone"])
                shutil.rmtree(step / "new")
        undo = self._place / "undo"
        if (undo / "change.json").exists():  # else it is done, but for its folder
            self._put(undo / "old", _facts(undo)["came"])
            (undo / "change.json").unlink()
        shutil.rmtree(undo, ignore_errors=True)

    def _put(self, files: Path, gone: list[str]) -> None:
        derived = [path for name in DERIVED for path in self._folder.glob(name)]
        for path in (*derived, *(self._folder / name for name in gone)):
            path.unlink(missing_ok=True)
        for name in sorted(_files(files), key=lambda name: name == STATE):
            (self._folder / name).parent.mkdir(exist_ok=True)
            os.replace(files / name, self._folder / name)


def _files(folder: Path) -> set[str]:
    found = [folder / name for name in FILES if (folder / name).exists()]
    found += folder.glob(PICTURES)
    return {path.relative_to(folder).as_posix() for path in found}


def _facts(step: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((step / "change.json").read_text())
    return facts


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _link(path: Path, other: Path) -> None:
    """A second name for the file; a copy where the file system has no such thing."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)
