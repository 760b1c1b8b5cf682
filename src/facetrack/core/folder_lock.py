"""One lock for everything that changes a result folder: analysing, rendering, editing.

The lock is the system's, on an open file, ``FOLDER/.history/lock``. The system releases it when
the process ends, also when it is killed: so no lock is stale, and the file of a killed process is
taken over. The file says who holds the lock. Whoever holds it removes the temporary files that a
killed process left.
"""

import getpass
import json
import os
import platform
import shlex
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from facetrack.core.atomic_write import sweep_partials
from facetrack.core.errors import InputError, OutputError
from facetrack.core.received_files import NO_FOLLOW, NO_WAIT, check_file, check_folder
from facetrack.core.schema import converted

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HISTORY = ".history"
LOCK_FILE = f"{HISTORY}/lock"
WAIT_S = 30.0
"""Seconds to wait for a holder that needs the folder for a moment only."""
RETRY_S = 0.02
LONGEST_COMMAND = 200
"""Characters of the command that a lock file says."""
LARGEST = 4096
"""Bytes of a lock file that are read."""
LOCKED_BYTE = 1 << 30
"""The byte that is locked on Windows: bytes that are locked there cannot be read."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock of a folder; texts are as the other process wrote them."""

    pid: int
    host: str
    user: str
    command: str
    since: str
    """Local time, ISO 8601."""
    brief: bool
    """Whether the folder will soon be free: an edit, not an analysis."""
    video: str = ""
    """Absolute path of the video that is being analysed, if any."""

    def __str__(self) -> str:
        return _printable(
            f"process {self.pid} of {self.user} on {self.host} ({self.command}), since {self.since}"
        )


@dataclass
class _Held:
    """A lock that this process holds."""

    file: int
    pid: int
    thread: int
    depth: int


_held: dict[str, _Held] = {}
_guard = threading.Lock()


@contextmanager
def locked(folder: Path, *, brief: bool = False, video: Path | None = None) -> Iterator[None]:
    """Holds the lock of a folder, which exists, for the body.

    The thread that holds it may take it again. A holder that is brief is waited for.

    Args:
        folder: of a result.
        brief: whether the body takes moments, as an edit does.
        video: that is being analysed, for others to see.

    Raises:
        OutputError: when another process, or another thread, holds the lock, or the file system
            has no locks.
        InputError: when the lock file is no regular file, or its folder is a link.
    """
    key = os.path.realpath(folder)
    if not _again(key):
        _take(folder, key, brief, video)
        sweep_partials(folder)
    try:
        yield
    finally:
        _release(folder, key)


def holder_of(folder: Path) -> Holder | None:
    """Who is said to hold the lock of a folder; None: nobody, or the file cannot be read."""
    try:
        file = _opened(folder, os.O_RDONLY)
    except (OSError, InputError):
        return None
    try:
        return _holder(file)
    finally:
        os.close(file)


def _again(key: str) -> bool:
    with _guard:
        held = _held.get(key)
        if held is None or (held.pid, held.thread) != _me():
            return False
        held.depth += 1
        return True


def _take(folder: Path, key: str, brief: bool, video: Path | None) -> None:
    until = time.monotonic() + WAIT_S
    while (file := _try(folder)) is None:
        holder = holder_of(folder)
        # The holder writes its name just after it has the lock, and removes the file at the end.
        if (holder is not None and not holder.brief) or time.monotonic() > until:
            raise OutputError(
                f"{folder} is in use by {holder or 'another process'}; wait until it has ended, or "
                "choose another output folder"
            )
        time.sleep(RETRY_S)
    try:
        os.ftruncate(file, 0)
        os.write(file, json.dumps(asdict(_myself(brief, video))).encode())
    except BaseException:
        os.close(file)
        raise
    with _guard:
        _held[key] = _Held(file, *_me(), depth=1)


def _try(folder: Path) -> int | None:
    """The locked file; None where another one has it."""
    path = folder / LOCK_FILE
    check_folder(folder, HISTORY)
    with suppress(FileExistsError):
        (folder / HISTORY).mkdir(mode=0o700)  # it may hold faces that were removed from the folder
    try:
        file = _opened(folder, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:  # the one who had the lock removed the folder just now
        return None
    try:
        if _lock(file, path):
            with suppress(FileNotFoundError):
                # Else the file was removed by the one who had the lock.
                if os.path.samestat(os.fstat(file), os.lstat(path)):
                    return file
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return None


def _release(folder: Path, key: str) -> None:
    with _guard:
        held = _held[key]
        held.depth -= 1
        if held.depth:
            return
        del _held[key]
    os.ftruncate(held.file, 0)
    if sys.platform == "win32":  # which removes no open file
        _unlock(held.file)
    else:
        with suppress(OSError):  # the folder may be gone
            if os.listdir(folder / HISTORY) == [Path(LOCK_FILE).name]:  # there is no history
                os.unlink(folder / LOCK_FILE)
                os.rmdir(folder / HISTORY)
    os.close(held.file)


def _opened(folder: Path, flags: int) -> int:
    """Opens the lock file, which no link, FIFO or device may stand for."""
    check_file(folder, LOCK_FILE)
    file = os.open(folder / LOCK_FILE, flags | NO_FOLLOW | NO_WAIT, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise InputError(f"{folder}: {LOCK_FILE!r} is no regular file; remove it")
    return file


def _lock(file: int, path: Path) -> bool:
    """Whether this process has the lock of an open file now."""
    try:
        if sys.platform == "win32":
            os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise OutputError(
            f"{path} cannot be locked ({error.strerror}); choose an output folder on another disk"
        ) from error
    return True


def _unlock(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)


def _holder(file: int) -> Holder | None:
    try:
        return converted(json.loads(os.read(file, LARGEST)), Holder, "")
    except (OSError, ValueError, RecursionError):
        return None


def _myself(brief: bool, video: Path | None) -> Holder:
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    command = shlex.join([name, *sys.argv[1:]])[:LONGEST_COMMAND]
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    about = "" if video is None else os.path.abspath(video)
    return Holder(os.getpid(), platform.node(), _user(), command, now, brief, about)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "an unknown user"


def _me() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey: anybody may write a lock file."""
    return "".join(c if c.isprintable() else "?" for c in text)
