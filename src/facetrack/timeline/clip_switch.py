"""Puts the files of a render in their places in one switch, and removes those that they replace.

1. The files are written into ``FOLDER/.history/rendering/new/``.
2. Renaming ``rendering`` to ``rendered`` commits the switch. After that the files are moved to
   their places; if the process is killed, the next one that opens the folder finishes this.
"""

import json
import os
import shutil
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facetrack.core.atomic_write import sweep_partials
from facetrack.core.errors import InputError
from facetrack.core.folder_lock import HISTORY
from facetrack.core.limits import limits
from facetrack.core.received_files import (
    check_folder,
    file_below,
    json_of,
    read_below,
    remove_below,
)
from facetrack.core.schema import converted
from facetrack.timeline.rendered import CLIPS_FOLDER, RENDERS, is_of_render

RENDERING, RENDERED = "rendering", "rendered"
CHANGE = "change.json"
FINISHED = "finished.jsonl"


@dataclass(frozen=True)
class ClipChange:
    """``change.json`` of a render."""

    gone: dict[str, int]
    """Path in the folder of each file that is replaced by no other of its name -> its bytes."""


def prepared(folder: Path) -> Path:
    """A new folder for the files of a render, with the paths that they shall have."""
    discard(folder)
    return continued(folder)


def continued(folder: Path) -> Path:
    """The same folder, with what an interrupted render has left in it.

    Raises:
        InputError: when a link leads there.
    """
    check_folder(folder, f"{HISTORY}/{RENDERING}/new")
    new = folder / HISTORY / RENDERING / "new"
    new.mkdir(parents=True, exist_ok=True)
    return new


def finished_list(folder: Path) -> Path:
    """The file that lists the clips of an interrupted render."""
    return folder / HISTORY / RENDERING / FINISHED


def keep_finished(folder: Path) -> None:
    """Removes the incomplete files of a render that was interrupted; the others are for the next
    one."""
    sweep_partials(folder / HISTORY / RENDERING / "new")


def remove_others(new: Path, names: Set[str]) -> None:
    """Removes files of an interrupted render that are not of this one.

    ``names``: of this one's files, relative to the folder.
    """
    for path in sorted(new.rglob("*"), reverse=True):
        is_folder = path.is_dir() and not path.is_symlink()
        if not is_folder and path.relative_to(new).as_posix() not in names:
            path.unlink()


def discard(folder: Path) -> None:
    """Removes what a render prepared."""
    shutil.rmtree(folder / HISTORY / RENDERING, ignore_errors=True)


def commit(folder: Path, gone: dict[str, int]) -> None:
    """Switches to the files that were prepared; the caller holds the folder's lock.

    Args:
        folder: of the clips.
        gone: see ``ClipChange``.

    Raises:
        OSError: when a file cannot be moved; the next one that opens the folder tries again.
    """
    place = folder / HISTORY / RENDERING
    (place / CHANGE).write_text(json.dumps({"gone": gone}))
    os.rename(place, folder / HISTORY / RENDERED)
    carry_out(folder)


def carry_out(folder: Path) -> None:
    """Moves committed files into place; may be repeated after an interruption at any point.

    Raises:
        InputError: when the switch names files that no render writes, or leads through links.
    """
    place = folder / HISTORY / RENDERED
    if not place.is_dir():
        return
    if (place / CHANGE).exists():
        change = _change(folder)
        new = place / "new"
        names = [p.relative_to(new).as_posix() for p in new.rglob("*") if not p.is_dir()]
        for name in sorted(names, key=lambda name: name == RENDERS):
            if not is_of_render(name):
                raise InputError(f"{place}: {name[:200]!r} is no file of a render; remove {place}")
            check_folder(folder, CLIPS_FOLDER)
            if "/" in name:
                check_folder(folder, name.rpartition("/")[0])
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new / name, folder / name)
        _remove(folder, change)
        (place / CHANGE).unlink()
    shutil.rmtree(place, ignore_errors=True)


def _change(folder: Path) -> ClipChange:
    name = f"{HISTORY}/{RENDERED}/{CHANGE}"
    try:
        change = converted(json_of(read_below(folder, name, limits().text_bytes)), ClipChange, "")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / name} cannot be read ({error}); remove {folder / HISTORY / RENDERED}"
        ) from error
    for file in change.gone:
        if not is_of_render(file):
            raise InputError(f"{folder / name} names {file[:200]!r}, which no render writes")
    return change


def _remove(folder: Path, change: ClipChange) -> None:
    for name, size in change.gone.items():
        found = file_below(folder, name)
        if found is not None and found.st_size == size:
            remove_below(folder, name)
            with suppress(OSError):  # the folder holds other files
                (folder / name).parent.rmdir()
