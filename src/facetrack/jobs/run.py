"""Runs films as one pool of items, so that short and long ones fill all workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from facetrack.core.errors import UsageError, WeightsError
from facetrack.jobs.checkpoints import Checkpoints
from facetrack.jobs.executors import Done, Executor
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.item import Item
from facetrack.jobs.progress import FilmProgress, OnFilmProgress
from facetrack.media.frame_index import NotAsIndexed
from facetrack.pipeline.analyze_chunk import ChunkProgress

ITEMS_AHEAD = 3
"""Items for each worker from which on no further film is opened."""


class Ended(NamedTuple):
    """A film whose items are all there, or the error that ended it."""

    film: FilmInWork
    error: Exception | None


class FilmRunner:
    """Runs the items of films with an executor."""

    def __init__(
        self,
        executor: Executor,
        on_progress: OnFilmProgress | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """
        Args:
            executor: does the work.
            on_progress: called as a film goes on, in the caller's thread.
            checkpoints: keeps results of items, and gives those that were kept; None: nothing is.
        """
        self._executor, self._on_progress = executor, on_progress
        self._checkpoints = checkpoints
        self._films: dict[Path, FilmProgress] = {}

    def run(self, films: Iterator[FilmInWork]) -> Iterator[Ended]:
        """Each film, as soon as all its items are there, or one of them has failed.

        Films are taken from the iterator when workers are about to have nothing to do. An error of
        one film does not end the others.
        """
        more, workers = True, self._executor.workers
        ahead = 1 if workers == 1 else ITEMS_AHEAD * workers
        while more or self._films:
            while more and self._executor.pending < ahead:
                film = next(films, None)
                more = film is not None
                if film is not None and self._begun(film).is_done:
                    yield self._ended(film, None)
            if not self._films:
                continue
            done = self._executor.wait(None if self._on_progress is None else self._report)
            film = self._films[done.item.path].film
            error = self._take(film, done)
            if film.is_done or error is not None:
                yield self._ended(film, error)

    def _begun(self, film: FilmInWork) -> FilmInWork:
        self._films[film.path] = FilmProgress(film)
        kept = {} if self._checkpoints is None else self._checkpoints.kept(film)
        for item in film.items:
            if (result := kept.get(item.number)) is not None:
                film.add(item, result)
            else:
                self._executor.submit(item)
        return film

    def _take(self, film: FilmInWork, done: Done) -> Exception | None:
        """Gives a film the result of an item; the error of an item that cannot be done."""
        if isinstance(done.outcome, NotAsIndexed):
            self._executor.cancel(film.path)
            film.read_as_a_whole()
            self._films[film.path] = FilmProgress(film)
            self._executor.submit(film.items[0])
            return None
        if isinstance(done.outcome, UsageError | WeightsError):
            raise done.outcome  # it holds for all films
        if isinstance(done.outcome, Exception):
            return done.outcome
        if self._checkpoints is not None:
            self._checkpoints.keep(film, done.item, done.outcome, done.stored)
        film.add(done.item, done.outcome)
        return None

    def _ended(self, film: FilmInWork, error: Exception | None) -> Ended:
        del self._films[film.path]
        if error is not None:
            self._executor.cancel(film.path)
        return Ended(film, error)

    def _report(self, item: Item, said: ChunkProgress) -> None:
        assert self._on_progress is not None
        progress = self._films[item.path]
        self._on_progress(progress.film, progress.now(item, said))
