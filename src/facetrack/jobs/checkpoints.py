"""Keeps the results of chunks in files, so that a run that was killed can go on.

A result lies in ``OUT/.facetrack/KEY/NUMBER.arrow`` until its film is done. It is used again only
for the same file, settings and versions, and only if its size and SHA-256 are those in the table.
"""

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import InputError, OutputError
from facetrack.core.limits import limits
from facetrack.core.received_files import check_folder, read_below, remove_below
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.item import Item
from facetrack.jobs.table import WORK, ChunkRow, JobTable
from facetrack.pipeline.chunk_result import ChunkResult

KEY = re.compile(r"[0-9a-f]{32}")


class Checkpoints:
    """The kept results of one output folder."""

    def __init__(self, out: Path, table: JobTable) -> None:
        self._out, self._table = out, table

    def keep(
        self, film: FilmInWork, item: Item, result: ChunkResult, stored: bytes | None = None
    ) -> None:
        """Keeps the result of a chunk; that of a film in one piece is not worth it.

        ``stored``: ``result.to_bytes()``, where the caller has it.

        Raises:
            OutputError: when it cannot be written.
        """
        if item.chunk is None or len(film.items) == 1:
            return
        stored = stored or result.to_bytes()
        final = self._out / _name(film.key, item.number)
        try:
            check_folder(self._out, f"{WORK}/{film.key}")
            final.parent.mkdir(exist_ok=True)
            with atomic_write(final) as path:
                path.write_bytes(stored)
        except OSError as error:
            raise OutputError(f"{final}: {error.strerror or error}") from error
        digest = hashlib.sha256(stored).hexdigest()
        seconds = sum(result.stages.values())
        self._table.keep(film.key, ChunkRow(item.number, len(stored), digest, seconds))

    def kept(self, film: FilmInWork) -> dict[int, ChunkResult]:
        """The results that are there and whole, by the numbers of their items."""
        items = {item.number: item for item in film.items if item.chunk is not None}
        found = {}
        for row in self._table.chunks(film.key):
            item = items.get(row.number)
            if item is None:
                continue
            result = self._read(film.key, row)
            if result is not None and _is_of(result, item):
                found[row.number] = result
        return found

    def forget(self, key: str) -> None:
        """Removes the kept results of a film; nothing else that lies there."""
        if not KEY.fullmatch(key):
            return
        for row in self._table.chunks(key):
            remove_below(self._out, _name(key, row.number))
        self._table.forget(key)
        with suppress(OSError):  # it is missing, or somebody put something there
            (self._out / WORK / key).rmdir()

    def _read(self, key: str, row: ChunkRow) -> ChunkResult | None:
        try:
            stored = read_below(self._out, _name(key, row.number), limits().table_bytes)
            if len(stored) != row.size or hashlib.sha256(stored).hexdigest() != row.sha256:
                return None
            return ChunkResult.from_bytes(stored)
        except (InputError, OSError):
            return None


def _name(key: str, number: int) -> str:
    return f"{WORK}/{key}/{number:05}.arrow"


def _is_of(result: ChunkResult, item: Item) -> bool:
    """Whether a result has the frames of its chunk."""
    chunk, frames = item.chunk, result.frames
    assert chunk is not None
    span = range(frames.first_frame, frames.first_frame + len(frames.times_s))
    return span == range(chunk.first, chunk.stop)
