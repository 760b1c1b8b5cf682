"""Files of a folder that anybody may have made: a result that was sent, a table with names in it.

A name that such a folder carries leads to a regular file below the folder or is refused: no
absolute name, no ``..``, no link in any part, no FIFO, device or socket. The kind of a file is
checked again after it is opened, as it may have been exchanged, and no more of it is read than is
allowed.
Only the path of the folder itself is trusted: the user gave it.

Every function raises ``InputError`` for what it refuses, in one line with the folder and the name.
That memory or open files ran out is a ``ResourceError``: it says nothing of the folder.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from facetrack.core.errors import InputError
from facetrack.core.shortage import shortage_said

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""A FIFO without a writer opens at once; a regular file is read as without the flag."""
FOLDER_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | NO_FOLLOW
HAS_DIR_FD = bool(NO_FOLLOW) and {os.open, os.stat, os.unlink} <= os.supports_dir_fd
"""Whether parts of a path can be opened one after the other, each below the one before."""
NAME_SURROGATE = 0x20000000
"""Bit of a reparse tag on Windows: the entry stands for another place, as junctions do."""
READ_STEP = 1 << 20
LONGEST_SHOWN = 200
"""Characters of a refused name that a message shows."""
ABSENT = {
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip
"""Errors that say that there is no such file for this user. Others, as those of a disk that fails,
do not: a file that is taken for missing would be lost with the next change."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_below(name: str) -> bool:
    """Whether a name, with ``/`` between its parts, can only lead to a place below its folder.

    The answer is the same on every system: what one of them reads as a drive, a stream, a folder
    above or the end of a name is refused on all. Control characters are refused too.
    """
    parts = name.split("/")
    return all(
        part.strip(". ") and not any(c in "\\:\x7f" or ord(c) < 32 for c in part) for part in parts
    )


def read_below(folder: Path, name: str, limit: int) -> bytes:
    """The content of a regular file below a folder.

    Args:
        folder: which the user gave; it may be reached through links.
        name: relative to it, with ``/`` between its parts.
        limit: bytes that the file may have.

    Raises:
        InputError: when the name is refused, or the file has more bytes.
        OSError: when the file is missing or cannot be read.
    """
    with shortage_said(), _opened(folder, name) as file:
        return _read(file, limit, folder / name)


def read_given(path: Path, limit: int) -> bytes:
    """The content of a regular file whose path the user gave; links are followed.

    Raises:
        InputError: when it is no regular file, or has more than ``limit`` bytes.
        OSError: when the file is missing or cannot be read.
    """
    kind = os.stat(path)  # a device is not even opened: some act on that
    if not stat.S_ISREG(kind.st_mode):
        raise InputError(f"{path} is {_kind(kind)}; a file is needed")
    with shortage_said():
        file = os.open(path, os.O_RDONLY | NO_WAIT | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise InputError(f"{path} is no regular file")
        return _read(file, limit, path)
    finally:
        os.close(file)


def json_of(data: bytes) -> Any:
    """What JSON in UTF-8 says.

    Raises:
        ValueError: when it is no JSON, or nested so deeply that it cannot be read.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def file_below(folder: Path, name: str) -> os.stat_result | None:
    """Facts of a regular file below a folder; None for everything else, and where there is none.

    Raises:
        OSError: when it cannot be told whether there is one.
    """
    try:
        with shortage_said():
            found = _last(folder, name)
    except InputError:
        return None
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    return found if found is not None and _is(found, stat.S_IFREG) else None


def remove_below(folder: Path, name: str) -> None:
    """Removes a file below a folder, or a link in its place; does nothing where there is none.

    Raises:
        InputError: when the name is refused, or names a folder.
        OSError: when the file cannot be removed.
    """
    found = _last(folder, name)
    if found is None:
        return
    if _is(found, stat.S_IFDIR):
        raise _refused(folder, name, "is a folder and not a file")
    with _parent(folder, name) as (parent, last):
        os.unlink(last, dir_fd=parent) if parent is not None else os.unlink(last)


def check_folder(folder: Path, name: str) -> None:
    """Checks a folder below another one before anything is written in it; it may be missing.

    Raises:
        InputError: when one of its parts is a link, or anything but a folder.
    """
    place = folder
    for part in _parts(folder, name):
        place /= part
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            return
        if not _is(found, stat.S_IFDIR):
            raise _refused(folder, name, f"leads through {place}, which is {_kind(found)}")


def check_file(folder: Path, name: str) -> os.stat_result | None:
    """Checks a file below a folder before it is opened, also by another library.

    Returns:
        Facts of the file; None where there is none.

    Raises:
        InputError: when the name is refused, or there is anything but a regular file.
    """
    found = _last(folder, name)
    if found is not None and not _is(found, stat.S_IFREG):
        raise _refused(folder, name, f"is {_kind(found)}")
    return found


def check_tree(folder: Path, name: str) -> None:
    """Checks that everything in a folder below another one is a folder or a regular file.

    Raises:
        InputError: when there is anything else, as a link.
    """
    check_folder(folder, name)
    waiting = [folder / name]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except FileNotFoundError:
            continue
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if _is(found, stat.S_IFDIR):
                waiting.append(Path(entry.path))
            elif not _is(found, stat.S_IFREG):
                inner = Path(entry.path).relative_to(folder).as_posix()
                raise _refused(folder, inner, f"is {_kind(found)}; remove it")


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[int]:
    """A descriptor of a regular file below the folder."""
    found = check_file(folder, name)
    flags = os.O_RDONLY | NO_FOLLOW | NO_WAIT | getattr(os, "O_BINARY", 0)
    with _parent(folder, name) as (parent, last):
        file = os.open(last, flags, dir_fd=parent) if parent is not None else os.open(last, flags)
    try:
        opened = os.fstat(file)
        if found is None or not stat.S_ISREG(opened.st_mode) or not os.path.samestat(found, opened):
            raise _refused(folder, name, "was exchanged while it was opened")
        yield file
    finally:
        os.close(file)


@contextmanager
def _parent(folder: Path, name: str) -> Iterator[tuple[int | None, str]]:
    """Where the last part of a name lies: a descriptor and the part, or None and the whole path.

    Without descriptors of folders, as on Windows, every part is checked and the path is opened.
    """
    *parts, last = _parts(folder, name)
    if not HAS_DIR_FD:
        if parts:
            check_folder(folder, "/".join(parts))
        yield None, str(folder.joinpath(*parts, last))
        return
    at = os.open(folder, FOLDER_ONLY & ~NO_FOLLOW)
    try:
        for part in parts:
            try:
                inner = os.open(part, FOLDER_ONLY, dir_fd=at)
            except FileNotFoundError:
                raise
            except OSError:
                check_folder(folder, "/".join(parts))  # says which part it is
                raise
            os.close(at)
            at = inner
        yield at, last
    finally:
        os.close(at)


def _last(folder: Path, name: str) -> os.stat_result | None:
    """Facts of what has the name, a link not followed; None where there is nothing."""
    try:
        with _parent(folder, name) as (parent, last):
            return os.stat(last, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _parts(folder: Path, name: str) -> tuple[str, ...]:
    if not is_below(name):
        raise _refused(folder, name, "is no name of a file below this folder")
    return PurePosixPath(name).parts


def _read(file: int, limit: int, path: Path) -> bytes:
    size = os.fstat(file).st_size
    parts: list[bytes] = []
    left = limit + 1
    while size <= limit and left > 0 and (part := os.read(file, min(left, READ_STEP))):
        parts.append(part)
        left -= len(part)
    if size > limit or left <= 0:
        raise InputError(f"{path} has {max(size, limit + 1):,} bytes; {limit:,} are allowed")
    return b"".join(parts)


def _is(found: os.stat_result, kind: int) -> bool:
    return stat.S_IFMT(found.st_mode) == kind and not _is_surrogate(found)


def _is_surrogate(found: os.stat_result) -> bool:
    return bool(getattr(found, "st_reparse_tag", 0) & NAME_SURROGATE)


def _kind(found: os.stat_result) -> str:
    return "a link" if _is_surrogate(found) else KINDS.get(stat.S_IFMT(found.st_mode), "no file")


def _refused(folder: Path, name: str, why: str) -> InputError:
    shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
    return InputError(f"{folder}: {shown!r} {why}; only files inside the folder itself are used")
