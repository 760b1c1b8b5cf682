"""The table of the films and chunks of an output folder, ``OUT/.facetrack/jobs.sqlite``.

It survives a kill: SQLite writes each change whole. It says what was done and what went wrong; it
is never the reason to delete or to trust a file.
"""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetrack.core.closing import Closing
from facetrack.core.errors import InputError, OutputError
from facetrack.core.received_files import check_file, check_folder
from facetrack.jobs.film import FilmInWork

WORK = ".facetrack"
"""Folder of ``OUT`` for the table and for what unfinished films have so far."""
TABLE = f"{WORK}/jobs.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS films (
    path TEXT PRIMARY KEY, folder TEXT NOT NULL, fingerprint TEXT NOT NULL, key TEXT NOT NULL,
    clips TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL,
    frames INTEGER NOT NULL, chunks INTEGER NOT NULL, begun REAL NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS chunks (
    key TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    seconds REAL NOT NULL, PRIMARY KEY (key, number)
);
"""
VERSION = 1
BUSY_S = 30.0
"""Seconds to wait while another process writes."""


@dataclass(frozen=True)
class FilmRow:
    """A film, as the table has it."""

    path: str
    """Absolute."""
    folder: str
    """Of the results, in the output folder."""
    fingerprint: str
    key: str
    """As ``FilmInWork.key``."""
    clips: str
    """Names the clips that were made; empty: none."""
    state: str
    """``in work``, also after a kill; ``done`` or ``failed``."""
    attempts: int
    error: str
    frames: int
    """0 until the film is analysed."""
    chunks: int
    begun: float
    """Seconds since 1970."""
    seconds: float
    """Of the last attempt."""
    chunks_kept: int = 0
    """Chunks whose results are kept for the next attempt."""


@dataclass(frozen=True)
class ChunkRow:
    """A kept result of a chunk."""

    number: int
    size: int
    sha256: str
    seconds: float


class JobTable(Closing):
    """The table of one output folder.

    Raises:
        OutputError: on opening, when it cannot be opened or written.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        try:
            (out / WORK).mkdir(parents=True, exist_ok=True)
            check_folder(out, WORK)
            check_file(out, TABLE)
            self._db = self._opened()
        except (sqlite3.Error, InputError, OSError) as error:
            raise OutputError(
                f"{out / TABLE}: cannot be used ({error}); move it away, results stay"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._out / TABLE, timeout=BUSY_S, isolation_level=None)
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA journal_mode = WAL")
            if db.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
                raise InputError("it was made by another version")
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Closes the table. May be called twice."""
        self._db.close()

    def begin(self, path: Path, folder: Path, film: FilmInWork) -> None:
        """A film is in work from now on."""
        items, print_of = len(film.items), film.fingerprint or ""
        self._do(
            "INSERT INTO films VALUES (?, ?, ?, ?, '', 'in work', 1, '', 0, ?, ?, 0) "
            "ON CONFLICT(path) DO UPDATE SET folder = excluded.folder, key = excluded.key, "
            "fingerprint = excluded.fingerprint, clips = '', state = 'in work', "
            "attempts = attempts + 1, error = '', frames = 0, chunks = excluded.chunks, "
            "begun = excluded.begun",
            (_text(path), _text(folder), print_of, film.key, items, time.time()),
        )

    def analysed(self, path: Path, frames: int) -> None:
        """The result of a film is in its folder; its clips may follow."""
        self._do("UPDATE films SET frames = ? WHERE path = ?", (frames, _text(path)))

    def end(self, path: Path, frames: int, clips: str) -> None:
        """A film is done; ``clips`` names the clips that were made of it."""
        self._do(
            "UPDATE films SET state = 'done', error = '', frames = ?, clips = ?, "
            "seconds = ? - begun WHERE path = ?",
            (frames, clips, time.time(), _text(path)),
        )

    def fail(self, path: Path, error: str) -> None:
        """A film has failed, for the reason given."""
        now = time.time()
        self._do(
            "INSERT INTO films VALUES (?, '', '', '', '', 'failed', 1, ?, 0, 0, ?, 0) "
            "ON CONFLICT(path) DO UPDATE SET state = 'failed', error = excluded.error, "
            "seconds = ? - begun",
            (_text(path), error, now, now),
        )

    def film(self, path: Path) -> FilmRow | None:
        """The row of a film."""
        found = [row for row in self.films() if row.path == _text(path)]
        return found[0] if found else None

    def films(self) -> list[FilmRow]:
        """All films, in the order in which they were begun first."""
        rows = self._do(
            "SELECT films.*, (SELECT count(*) FROM chunks WHERE chunks.key = films.key) FROM films "
            "ORDER BY films.rowid"
        )
        return [FilmRow(*row) for row in rows]

    def keep(self, key: str, chunk: ChunkRow) -> None:
        """The result of a chunk is in its file."""
        row = key, chunk.number, chunk.size, chunk.sha256, chunk.seconds
        self._do("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)", row)

    def chunks(self, key: str) -> list[ChunkRow]:
        """The kept chunks of a film."""
        rows = self._do("SELECT number, size, sha256, seconds FROM chunks WHERE key = ?", (key,))
        return [ChunkRow(*row) for row in rows]

    def forget(self, key: str) -> None:
        """No results of the film's chunks are kept any more."""
        self._do("DELETE FROM chunks WHERE key = ?", (key,))

    def _do(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"{self._out / TABLE}: {error}") from error


def _text(path: Path) -> str:
    """An absolute path as valid text: file names may hold bytes that are none."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
