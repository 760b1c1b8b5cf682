"""Edits of an analysis folder: all files change or none, and each edit can be undone.

1. An edit is prepared in ``FOLDER/.history/next/``: ``new/`` has the new files, ``old/`` the files
   that they replace, and ``change.json`` the rest.
2. Renaming ``next`` to the number of the edit commits it. Before that, nothing has changed. After
   it, the files are moved to their places; if the process is killed, the next one that opens the
   folder finishes this.
3. The numbered folder keeps what undo needs. Renaming it to ``undo`` commits the undo, and the
   files in ``old/`` go back to their places.

A result that is made anew is switched in the same way, together with the edits that were done on it
again: see ``renew``.

Files that are made from the others, as the report, are removed by every edit and not kept.
"""

import filecmp
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from facetrack.core.errors import FacetrackError, OutputError, UsageError
from facetrack.core.folder_lock import HISTORY, RETRY_S, WAIT_S, locked
from facetrack.core.received_files import (
    check_folder,
    check_tree,
    remove_below,
)
from facetrack.timeline import clip_switch
from facetrack.timeline.history_files import (
    AFTER,
    DERIVED,
    PEOPLE,
    RENEWED,
    STATE,
    Change,
    Edit,
    digest_of,
    files_of,
    link,
    read_change,
)

T = TypeVar("T")


class History:
    """The edits of one folder; several processes may use the same folder at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / HISTORY

    def steps(self) -> list[str]:
        """Names of the edits that can be undone, the latest last."""
        return [read_change(self._folder, step).what for step in self._numbered()]

    def steady(self, read: Callable[[], T]) -> T:
        """Calls ``read`` until no edit came between, so that it sees one state of the folder."""
        while True:
            before = self._settle()
            try:
                found = read()
            except FacetrackError:
                if self._mark() == before:
                    raise
            else:
                if self._mark() == before:
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
            coming, facts = self._prepared(what, write)
            if facts.state is None:
                return
            # A copy: who edits ``timeline.json`` by hand may write into the same file.
            shutil.copyfile(coming / "new" / STATE, coming / AFTER)
            (coming / "change.json").write_text(json.dumps(asdict(facts)))
            os.rename(coming, self._place / self._next_name())
            self._carry_out()

    def renew(self, what: str, write: Callable[[Path], None], keep: bool) -> None:
        """Replaces the result by one that was made anew, in one switch.

        The steps of the result before end with it. Edits that ``write`` makes of the new one become
        its steps.

        Args:
            what: name of the step, where there is one.
            write: writes all files into the folder that it is given, and may ``change`` them there.
            keep: whether there is a step that brings the result before back.
        """
        with self._alone():
            coming, facts = self._prepared(what, write)
            inner = History(coming / "new")
            name = self._next_name()
            (coming / "steps").mkdir()
            now = files_of(self._folder)
            kept = keep and STATE in now
            if kept:
                for file in now - files_of(coming / "old"):
                    link(self._folder / file, coming / "old" / file)
            steps = inner._numbered()
            made = (now | set(facts.came)) - set(facts.gone)
            for step in reversed(steps):  # to the files before the edits of the new result
                change = read_change(inner._folder, step)
                made = (made - set(change.came)) | set(change.gone)
            state = digest_of(steps[0] / "old") if steps else facts.state or digest_of(self._folder)
            for n, step in enumerate(steps, int(name) + kept):
                os.rename(step, coming / "steps" / f"{n:04}")
            shutil.rmtree(coming / "new" / HISTORY, ignore_errors=True)
            facts = replace(
                facts,
                came=sorted(made - now),
                state=state,
                renewed=True,
                drops=[step.name for step in self._numbered()],
                kept_as=name if kept else "",
            )
            (coming / "change.json").write_text(json.dumps(asdict(facts)))
            os.rename(coming, self._place / RENEWED)
            self._carry_out()

    def mend(self, write: Callable[[Path], None]) -> None:
        """Replaces files by whole ones, in one switch; the steps stay.

        Args:
            write: writes all files into the folder that it is given.
        """
        with self._alone():
            coming, facts = self._prepared("repair", write)
            facts = replace(facts, came=[], renewed=True)
            (coming / "change.json").write_text(json.dumps(asdict(facts)))
            os.rename(coming, self._place / RENEWED)
            self._carry_out()

    def latest_state(self) -> Path | None:
        """``timeline.json`` as the latest edit wrote it, if there is an edit."""
        edits = self.edits()
        return edits[-1].after if edits else None

    def settle(self) -> None:
        """Finishes what a killed process had committed, and removes what it had only prepared;
        clips that it had finished stay for the next render."""
        if self._place.is_dir():
            with self._alone():
                clip_switch.keep_finished(self._folder)

    def undo(self) -> str:
        """Undoes the latest edit and returns its name.

        Raises:
            UsageError: when there is no edit, or the files were changed after it in another way.
        """
        with self._alone():
            steps = self._numbered()
            if not steps:
                raise UsageError(f"{self._folder}: there is nothing to undo")
            change = read_change(self._folder, steps[-1])
            if digest_of(self._folder) != change.state:
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

    def edits(self) -> list["Edit"]:
        """The edits since the result was made, the oldest first."""
        edits: list[Edit] = []
        for step in self._numbered():
            change = read_change(self._folder, step)
            if change.renewed:
                edits = []
                continue
            after = step / AFTER
            if not after.exists():  # of an older version
                after = self._file_after(step, STATE)
            edits.append(Edit(change.what, step / "old" / STATE, after))
        return edits

    def file_before_edits(self, name: str) -> Path:
        """Where a file is as it was when the result was made."""
        steps = self._numbered()
        renewed = [n for n, step in enumerate(steps, 1) if read_change(self._folder, step).renewed]
        return self._file_from(steps[renewed[-1] if renewed else 0 :], name)

    def _file_after(self, step: Path, name: str) -> Path:
        return self._file_from([s for s in self._numbered() if s.name > step.name], name)

    def _file_from(self, steps: Sequence[Path], name: str) -> Path:
        """Where a file is as it was before some steps, after which there are no others."""
        kept = (step / "old" / name for step in steps)
        return next((path for path in kept if path.exists()), self._folder / name)

    def _prepared(self, what: str, write: Callable[[Path], None]) -> tuple[Path, Change]:
        """A folder with the new files, and those that they replace; ``state`` is None where the
        new state is the old one."""
        coming = self._place / "next"
        new, old = coming / "new", coming / "old"
        (old / PEOPLE).mkdir(parents=True)
        new.mkdir()
        write(new)
        now, then = files_of(self._folder), files_of(new)
        for name in now & then:
            if filecmp.cmp(self._folder / name, new / name, shallow=False):
                (new / name).unlink()
            else:
                link(self._folder / name, old / name)
        for name in now - then:
            link(self._folder / name, old / name)
        state = digest_of(new) if (new / STATE).exists() else None
        return coming, Change(what, sorted(now - then), sorted(then - now), state)

    def _next_name(self) -> str:
        return f"{max((int(step.name) for step in self._numbered()), default=0) + 1:04}"

    def _numbered(self) -> list[Path]:
        return sorted(step for step in self._place.glob("[0-9]*") if step.name.isdecimal())

    def _names(self) -> set[str]:
        # A user who may read the folder but not its history sees the finished edits.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return set(os.listdir(self._place)) - {"lock", "next", clip_switch.RENDERING}
        return set()

    def _mark(self) -> tuple[set[str], tuple[int, int] | None]:
        """What is another after every change: the steps, and which file ``timeline.json`` is."""
        with suppress(OSError):
            state = os.stat(self._folder / STATE)
            return self._names(), (state.st_ino, state.st_mtime_ns)
        return self._names(), None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Locks the folder for the body, after finishing an edit that was interrupted.

        Raises:
            InputError: when the history or the folder of thumbnails holds or is a link: the folder
                may come from anybody, and files elsewhere would be moved and removed.
        """
        check_folder(self._folder, PEOPLE)
        check_folder(self._folder, HISTORY)
        with locked(self._folder, brief=True):
            check_tree(self._folder, HISTORY)
            self._carry_out()
            for name in ("next", "erased"):
                shutil.rmtree(self._place / name, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._place / "next", ignore_errors=True)

    def _settle(self) -> tuple[set[str], tuple[int, int] | None]:
        """Finishes what a killed process had committed.

        Returns:
            The mark with which all files of the folder are in their places.
        """
        until = time.monotonic() + WAIT_S
        while True:
            mark = self._mark()
            names, _ = mark
            moving = {"undo", RENEWED, clip_switch.RENDERED} & names
            if not moving and not any((self._place / name / "new").exists() for name in names):
                return mark
            try:
                with self._alone():
                    pass
            except OutputError:  # a living process is just at it
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY_S)

    def _carry_out(self) -> None:
        """Moves committed files into place; may be repeated after an interruption at any point."""
        for step in self._numbered():
            if (step / "new").exists():
                self._put(step / "new", read_change(self._folder, step).gone)
                shutil.rmtree(step / "new")
        self._carry_out_renewed(self._place / RENEWED)
        clip_switch.carry_out(self._folder)
        undo = self._place / "undo"
        if (undo / "change.json").exists():  # else only its folder is left to remove
            self._put(undo / "old", read_change(self._folder, undo).came)
            (undo / "change.json").unlink()
        shutil.rmtree(undo, ignore_errors=True)

    def _carry_out_renewed(self, renewed: Path) -> None:
        if (renewed / "change.json").exists():
            change = read_change(self._folder, renewed)
            if (renewed / "new").exists():
                self._put(renewed / "new", change.gone)
                shutil.rmtree(renewed / "new")
            for name in change.drops:
                shutil.rmtree(self._place / name, ignore_errors=True)
            for step in sorted((renewed / "steps").glob("[0-9]*")):
                os.rename(step, self._place / step.name)
            if change.kept_as:
                os.rename(renewed, self._place / change.kept_as)
                return
            (renewed / "change.json").unlink()
        shutil.rmtree(renewed, ignore_errors=True)

    def _put(self, files: Path, gone: list[str]) -> None:
        derived = [path.name for name in DERIVED for path in self._folder.glob(name)]
        for name in (*derived, *gone):
            remove_below(self._folder, name)
        for name in sorted(files_of(files), key=lambda name: name == STATE):
            (self._folder / name).parent.mkdir(exist_ok=True)
            os.replace(files / name, self._folder / name)
