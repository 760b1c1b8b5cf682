"""Which folder of ``OUT`` is a video's own.

A video's folder has its name: ``OUT/talk``. Where that belongs to another video, or holds other
things, it is ``OUT/talk-2`` and so on. A video finds its own folder again by its path, and after it
was moved by its fingerprint. A folder that belongs to another video, or is none of ours, is never
written to.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from facetrack.core.atomic_write import PARTIAL
from facetrack.core.errors import InputError, OutputError
from facetrack.core.folder_lock import HISTORY, holder_of, locked
from facetrack.core.limits import limits
from facetrack.core.received_files import json_of, read_below
from facetrack.media.fingerprint import fingerprint
from facetrack.timeline.clip_switch import RENDERED
from facetrack.timeline.history import History
from facetrack.timeline.history_files import RENEWED

SOURCE_FILES = (
    "timeline.json",
    "renders.json",
    f"{HISTORY}/{RENEWED}/new/timeline.json",
    f"{HISTORY}/{RENDERED}/new/renders.json",
)
"""Files of a result that have ``source``: the video's path and fingerprint. Those of the history
are on the way to their places, where a disk was full in the middle of a first run's switch."""


@dataclass(frozen=True)
class Owner:
    """The video that a folder belongs to."""

    path: Path
    fingerprint: str | None


@dataclass(frozen=True)
class OwnFolder:
    """The folder of a video, and why it is that one."""

    path: Path
    why: str | None
    """What the user should know; None: it has the video's name."""


def owner_of(folder: Path) -> Owner | None:
    """The video that a folder belongs to; None: none that can be told."""
    for name in SOURCE_FILES:
        try:
            source = json_of(read_below(folder, name, limits().text_bytes))["source"]
            return Owner(Path(source["path"]), source.get("fingerprint"))
        except (OSError, InputError, ValueError, LookupError, TypeError, AttributeError):
            continue
    holder = holder_of(folder)  # of a first run, or what a killed one left
    return Owner(Path(holder.video), None) if holder is not None and holder.video else None


def own_folder(video: Path, out: Path, taken: Iterable[Path] = ()) -> OwnFolder:
    """The folder in ``OUT`` for the results of a video: its own one, or one that is free.

    Args:
        video: an existing file.
        out: where each video has a folder.
        taken: folders of other videos that are not written yet.
    """
    name, in_use = video.stem, {_folded(folder) for folder in taken}
    places = [place for place in _places(out, name) if _folded(place) not in in_use]
    owners = {place: owner_of(place) for place in places}
    same_path = [p for p, owner in owners.items() if owner and _is_at(owner.path, video)]
    if same_path:
        return OwnFolder(same_path[0], None)
    print_of = fingerprint(video)
    for place, owner in owners.items():
        same_file = owner and owner.fingerprint and owner.fingerprint == print_of
        if owner and same_file and not owner.path.exists():
            return OwnFolder(place, f"{place}: its video was moved from {owner.path}")
    number, first = 1, out / name
    place = first
    while _folded(place) in in_use or not _is_free(place, owners.get(place)):
        number += 1
        place = out / f"{name}-{number}"
    if place == first:
        return OwnFolder(place, None)
    if (other := owners.get(first)) is not None:
        why = f"{first} belongs to {other.path}"
    elif _folded(first) in in_use:
        why = f"{first} belongs to another video"
    else:
        why = f"{first} is there and is no folder of facetrack"
    return OwnFolder(place, f"{video} goes to {place}: {why}")


@contextmanager
def claimed(video: Path, out: Path) -> Iterator[OwnFolder]:
    """Gives a video's folder, made where it is missing, and holds its lock for the body.

    A folder that was made and is still empty when the body fails is removed.

    Raises:
        OutputError: when another process is at work in the folder.
        OSError: when the folder cannot be made.
    """
    while True:
        found = own_folder(video, out)
        was_made = not found.path.exists()
        found.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as ended:
            failed = ended.enter_context(ExitStack())
            if was_made:
                failed.callback(_remove_empty, found.path)
            try:
                ended.enter_context(locked(found.path, video=video))
            except OutputError:
                if own_folder(video, out).path == found.path:
                    raise
                continue
            History(found.path).settle()
            # Another process may have taken it, or what a killed one had begun is of another.
            if own_folder(video, out).path != found.path:
                continue
            yield found
            failed.pop_all()
            return


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not empty
        folder.rmdir()


def _places(out: Path, name: str) -> list[Path]:
    """The folders in ``OUT`` that may be of a video of this name, by number."""
    numbered = re.compile(re.escape(name) + r"(?:-([1-9]\d{0,8}))?", re.IGNORECASE)
    try:
        found = [(int(m[1] or 1), n) for n in os.listdir(out) if (m := numbered.fullmatch(n))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [out / n for _, n in sorted(found)]


def _is_free(place: Path, owner: Owner | None) -> bool:
    """Whether a folder may be taken: it is missing, or holds only what a killed run leaves."""
    if owner is not None:
        return False
    try:
        names = os.listdir(place)
    except FileNotFoundError:
        return not os.path.lexists(place)  # not a link that leads nowhere
    except OSError:
        return False
    return all(name == HISTORY or PARTIAL.fullmatch(name) for name in names)


def _is_at(path: Path, video: Path) -> bool:
    try:
        return path.samefile(video)
    except OSError:
        return os.path.abspath(path) == os.path.abspath(video)


def _folded(path: Path) -> str:
    """As file systems compare that know no case."""
    return str(path).casefold()
