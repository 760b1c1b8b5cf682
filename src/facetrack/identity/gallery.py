"""The gallery: names of people and the embeddings of their faces, in one SQLite file.

No image is stored: for each photo only the embedding, how good the face is, the photo's file name
and the day. Embeddings of one recogniser are never compared with those of another. The file, a
folder that is made for it, and SQLite's temporary files beside it are readable by their owner only.
"""

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_data_path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.closing import Closing
from facetrack.core.errors import FacetrackError, InputError, OutputError, TargetError
from facetrack.core.limits import check_limit
from facetrack.core.types import Float32
from facetrack.identity.embedding_groups import EmbeddingSet
from facetrack.recognition.calibration import Evidence

SCHEMA = "facetrack/gallery/1"
APPLICATION = 0x46544731
"""SQLite's ``application_id`` of a gallery."""
LENGTH_TOLERANCE = 0.01
"""How far the length of a stored embedding may be from one."""
WAIT_S = 30.0
"""Seconds to wait for another process that writes."""
LARGEST_VALUE = 1 << 20
"""Bytes of a value, and of a statement; the largest is an embedding of a few kilobytes."""
ROW_BYTES = 1_000
"""Memory that a row takes beside its values, about."""
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
UNWRITABLE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}  # fmt: skip
"""Codes of SQLite that speak of the disk, where something is being changed."""
SQLITE_SUFFIXES = ("-journal", "-wal", "-shm")
"""Endings of files that SQLite may leave beside the gallery."""

TABLE = """
CREATE TABLE IF NOT EXISTS faces (
    name TEXT NOT NULL,
    recognizer TEXT NOT NULL,
    photo TEXT NOT NULL,
    added TEXT NOT NULL,
    embedding BLOB NOT NULL,
    evidence TEXT
)"""
OLD_NAMES = {"casia": "facenet"}
"""Recognisers that had other names until version 0.1."""


def unknown_evidence() -> Evidence:
    """Usual evidence, for a face of which an older version stored the embedding alone."""
    return Evidence.of_track(0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class GalleryFace:
    """One photo of a person of the gallery."""

    name: str
    recognizer: str
    """``Embedder.name`` of the network that made the embedding."""
    photo: str
    """File name of the photo."""
    added: str
    """The day, such as 2026-11-25."""
    embedding: Float32
    """``(dim,)`` of length one."""
    evidence: Evidence = field(default_factory=unknown_evidence)
    """How good the face is."""


def default_gallery() -> Path:
    """The gallery in the user's data folder."""
    return user_data_path("facetrack", appauthor=False) / "gallery.sqlite"


class Gallery(Closing):
    """An open gallery. A context manager.

    Raises:
        InputError: when the file is missing and ``make`` is false, is no gallery, or is larger than
            ``limits.table_bytes``.
        OutputError: when it cannot be made, or another process does not let go of it.
    """

    def __init__(self, path: Path, make: bool = False) -> None:
        """``make``: create the file where it is missing."""
        self.path = path
        if make:
            _make_private(path)
        elif not path.is_file():
            raise InputError(
                f"{path}: there is no gallery; make one with: facetrack gallery add NAME PHOTO"
            )
        if not path.is_file():
            raise InputError(f"{path} is no file that can be a gallery")
        check_limit(f"{path}: its bytes", "table_bytes", path.stat().st_size)
        with self._reading():
            self._base = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
        try:
            with self._reading():
                self._prepare()
        except BaseException:
            self._base.close()
            raise

    def close(self) -> None:
        """Closes the database; may be called twice."""
        self._base.close()

    def faces(self, name: str | None = None) -> list[GalleryFace]:
        """The faces of one person or of all, ordered by name.

        Args:
            name: of the person, in any capitals; None: all.

        Raises:
            InputError: when the file is damaged.
            TargetError: when nobody has the name.
        """
        with self._reading():
            evidence = "evidence" if self._has_evidence() else "NULL"
            rows = self._base.execute(
                f"SELECT name, recognizer, photo, added, embedding, {evidence} FROM faces "
                "ORDER BY rowid"
            )
            found, size = [], 0
            for row in rows:
                found.append(self._face(row))
                size += ROW_BYTES + sum(
                    len(value) for value in row if isinstance(value, str | bytes)
                )
                check_limit(f"{self.path}: its faces' bytes", "table_bytes", size)
        found.sort(key=lambda face: face.name.casefold())
        if name is None:
            return found
        theirs = [face for face in found if face.name.casefold() == name.casefold()]
        if not theirs:
            names = ", ".join(dict.fromkeys(f.name for f in found)) or "nobody"
            raise TargetError(f"{name} is not in the gallery; it holds: {names}")
        return theirs

    def add(self, faces: Iterable[GalleryFace]) -> None:
        """Adds all faces, or none when something fails.

        A name that is there in other capitals keeps its spelling.

        Raises:
            InputError: when the file is damaged.
            OutputError: when it cannot be written, or another process does not let go of it.
        """
        with self._changing():
            spelt = {face.name.casefold(): face.name for face in self.faces()}
            if not self._has_evidence():  # a file of 0.1
                self._base.execute("ALTER TABLE faces ADD COLUMN evidence TEXT")
            for f in faces:
                name = spelt.setdefault(f.name.casefold(), f.name)
                row = (
                    name, f.recognizer, f.photo, f.added, f.embedding.astype("<f4").tobytes(),
                    json.dumps(f.evidence.to_dict()),
                )  # fmt: skip
                self._base.execute("INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?)", row)

    def remove(self, name: str) -> int:
        """Removes a person; the stored data are overwritten.

        Returns:
            Number of faces that were removed.

        Raises:
            InputError: when the file is damaged.
            OutputError: when it cannot be written, or another process does not let go of it.
            TargetError: when nobody has the name.
        """
        with self._changing():
            theirs = self.faces(name)
            self._base.execute("DELETE FROM faces WHERE name = ?", (theirs[0].name,))
        return len(theirs)

    def of_recognizer(self, recognizer: str, dim: int) -> dict[str, EmbeddingSet]:
        """Name to the embeddings that one network made.

        Args:
            recognizer: ``Embedder.name`` of the network.
            dim: length of its embeddings.

        Raises:
            InputError: when a stored embedding has another length.
        """
        found: dict[str, list[EmbeddingSet]] = {}
        for face in self.faces():
            if face.recognizer != recognizer:
                continue
            length = float(np.linalg.norm(face.embedding.astype(np.float64)))
            if face.embedding.shape != (dim,) or not abs(length - 1) < LENGTH_TOLERANCE:
                raise InputError(
                    f"{self.path}: the entry {face.name} by {face.photo} is no embedding of "
                    f"{recognizer}; remove it with: facetrack gallery remove {face.name!r}"
                )
            embedding = EmbeddingSet(face.embedding[None], face.evidence)
            found.setdefault(face.name, []).append(embedding)
        return {name: EmbeddingSet.joined(faces) for name, faces in found.items()}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Errors of SQLite in the body become one line: a damaged file fails at any statement."""
        try:
            yield
        except (sqlite3.Error, ArithmeticError, ValueError) as error:
            # A message of SQLite that quotes the file need not be UTF-8, a ValueError of Python.
            raise self._failure(error) from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """All changes of the body are made, or none; no other process comes between."""
        with self._reading():
            try:
                with self._base:
                    self._base.execute("BEGIN IMMEDIATE")
                    yield
            except sqlite3.Error as error:
                if _code(error) not in UNWRITABLE:
                    raise
                raise OutputError(
                    f"{self.path} cannot be written ({error}), and is as it was; free some space, "
                    "or see who may write there"
                ) from error

    def _failure(self, error: Exception) -> FacetrackError:
        if _code(error) in BUSY:
            return OutputError(
                f"{self.path} is in use by another process ({error}); wait until it has ended"
            )
        return InputError(f"{self.path} is no gallery that can be read ({error})")

    def _has_evidence(self) -> bool:
        columns = self._base.execute("PRAGMA table_info(faces)").fetchall()
        return "evidence" in {column[1] for column in columns}

    def _face(self, row: tuple[Any, ...]) -> GalleryFace:
        """One row as a face. SQLite checks no types, so an edited file may hold anything."""
        *texts, vector, evidence = row
        if not all(isinstance(text, str) for text in texts) or not isinstance(vector, bytes):
            raise InputError(f"{self.path} is no gallery that can be read (a row is {texts!r})")
        name, recognizer, photo, added = texts
        whole = vector[: len(vector) // 4 * 4]
        return GalleryFace(
            name, OLD_NAMES.get(recognizer, recognizer), photo, added,
            np.frombuffer(whole, "<f4"), _evidence(evidence),
        )  # fmt: skip

    def _prepare(self) -> None:
        self._base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        # Removed data are overwritten, not only unlinked; and SQLite writes nothing to /tmp.
        self._base.execute("PRAGMA secure_delete = ON")
        self._base.execute("PRAGMA temp_store = MEMORY")
        self._base.execute("PRAGMA trusted_schema = OFF")
        (kind,) = self._base.execute("PRAGMA application_id").fetchone()
        tables = self._base.execute("SELECT type, name FROM sqlite_master").fetchall()
        columns = self._base.execute("PRAGMA table_xinfo(faces)").fetchall()
        # A view, a trigger or a column that is computed could be a program of somebody else's.
        computed = any(column[-1] for column in columns)
        if tables and (kind != APPLICATION or tables != [("table", "faces")] or computed):
            raise sqlite3.DatabaseError("it is another database")
        if not tables:
            with self._changing():
                self._base.execute(TABLE)
                self._base.execute(f"PRAGMA application_id = {APPLICATION}")


def export_gallery(faces: Iterable[GalleryFace], file: Path) -> None:
    """Writes everything that is stored about these faces, as JSON that only its owner can read."""
    people: dict[str, list[dict[str, object]]] = {}
    for f in faces:
        people.setdefault(f.name, []).append(
            {
                "photo": f.photo,
                "recognizer": f.recognizer,
                "added": f.added,
                "evidence": f.evidence.to_dict(),
                "embedding": [round(float(x), 7) for x in f.embedding],
            }
        )
    held = {
        "schema": SCHEMA,
        "people": [{"name": name, "faces": theirs} for name, theirs in people.items()],
    }
    with atomic_write(file) as path:
        _make_private(path)
        path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", "utf-8")


def delete_gallery(path: Path) -> None:
    """Deletes the gallery, and what SQLite left beside it."""
    for suffix in ("", *SQLITE_SUFFIXES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def today() -> str:
    """The day, as in ``GalleryFace.added``."""
    return date.today().isoformat()


def _code(error: Exception) -> int | None:
    """SQLite's code, without what only one system or file says of it."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _evidence(stored: object) -> Evidence:
    """Evidence from the JSON of ``Evidence.to_dict``; the usual one where that makes no sense."""
    try:
        numbers = json.loads(stored) if isinstance(stored, str) else {}
        if numbers and all(math.isfinite(value) for value in numbers.values()):
            found = Evidence.of_track(**numbers)
            if min(found.faces[0], found.face_px[0], found.sharpness[0], found.frontality[0]) >= 0:
                return found
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        pass
    return unknown_evidence()


def _make_private(path: Path) -> None:
    """Makes an empty file that only its owner can read from the first moment; missing folders
    too."""
    for folder in reversed([f for f in path.absolute().parents if not f.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
