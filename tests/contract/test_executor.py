"""What every executor must do: the same results, in any order, and no worker's death loses more."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from facetrack.core.errors import InputError, ResourceError
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.processes import ProcessExecutor, on_cores
from facetrack.jobs.run import FilmRunner
from facetrack.pipeline.chunk_result import ChunkResult
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis
from made.executed_films import SETTINGS, analysed, facts, serially, talking_film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, pyfeat_data: Path) -> Path:
    return talking_film(pyfeat_data, tmp_path_factory.mktemp("chunks") / "film.mp4")


@pytest.fixture(scope="module")
def serial(film: Path) -> Analysis:
    """What one item after the other gives."""
    with serially() as executor:
        return analysed(film, executor)


def test_the_film_has_several_chunks(film: Path, serial: Analysis):
    assert len(FilmInWork(film, SETTINGS).items) == serial.performance["chunks"] == 3
    assert len(serial.people) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_bits(film: Path, serial: Analysis, workers: int):
    with ProcessExecutor(on_cores(workers)) as executor:
        assert facts(analysed(film, executor)) == facts(serial)


def test_chunks_that_are_done_in_any_order_give_the_same_bits(film: Path, serial: Analysis):
    work = FilmInWork(film, SETTINGS)
    with serially() as executor:
        done = [executor.wait() for item in work.items if executor.submit(item) is None]
    for seed in range(6):
        work = FilmInWork(film, SETTINGS)
        order = list(zip(work.items, done, strict=True))
        random.Random(seed).shuffle(order)
        for item, one in order:
            assert isinstance(one.outcome, ChunkResult)
            work.add(item, ChunkResult.from_bytes(one.outcome.to_bytes()))
        assert work.is_done
        assert facts(work.finish(RunStats(), 1)) == facts(serial)


def test_a_worker_that_dies_costs_its_chunk_once(film: Path, serial: Analysis):
    work, killed = FilmInWork(film, SETTINGS), set[int]()

    def kill_first(*_: object) -> None:
        if not killed:
            worker = next(iter(workers_of_this_process()))
            killed.add(worker.pid)
            worker.kill()

    with ProcessExecutor(on_cores(2)) as executor:
        for _, error in FilmRunner(executor, kill_first).run(iter([work])):
            assert error is None
        assert killed
        assert facts(work.finish(RunStats(), 2)) == facts(serial)


def test_a_worker_that_always_dies_is_one_error_and_other_films_go_on(film: Path, tmp_path: Path):
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes())

    def kill_all(of: FilmInWork, _: object) -> None:
        if of.path == other:
            for worker in workers_of_this_process():
                worker.kill()

    films = [FilmInWork(other, SETTINGS)]
    with ProcessExecutor(on_cores(1)) as executor:
        (ended,) = FilmRunner(executor, kill_all).run(iter(films))
        assert isinstance(ended.error, ResourceError)
        assert "was killed by SIGKILL, twice" in str(ended.error)
        (ended,) = FilmRunner(executor).run(iter([FilmInWork(film, SETTINGS)]))
        assert ended.error is None


def test_leaving_the_context_ends_all_processes(film: Path):
    work = FilmInWork(film, SETTINGS)
    with ProcessExecutor(on_cores(2)) as executor:
        for item in work.items:
            executor.submit(item)
        deadline = time.monotonic() + 60
        while not list(workers_of_this_process()):
            assert time.monotonic() < deadline
        assert executor.pending == len(work.items)
    assert not list(workers_of_this_process())


@pytest.mark.parametrize("make", [serially, lambda: ProcessExecutor(on_cores(1))])
def test_cancelled_items_are_not_given_back(make, film: Path, tmp_path: Path):
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes())
    with make() as executor:
        for item in FilmInWork(other, SETTINGS).items:
            executor.submit(item)
        (first, *_) = FilmInWork(film, SETTINGS).items
        executor.submit(first)
        executor.cancel(other)
        assert executor.pending == 1
        assert executor.wait().item is first


def test_an_error_of_a_worker_is_raised_here_as_it_is(film: Path, tmp_path: Path):
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(film.read_bytes())
    (first, *_) = FilmInWork(gone, SETTINGS).items
    gone.unlink()
    with ProcessExecutor(on_cores(1)) as executor:
        executor.submit(first)
        outcome = executor.wait().outcome
    assert isinstance(outcome, InputError) and "no such file" in str(outcome)


def workers_of_this_process() -> Iterator[psutil.Process]:
    for process in psutil.Process().children():
        if "facetrack.jobs.worker" in process.cmdline():
            yield process


def test_a_film_whose_packets_do_not_tell_its_frames_is_read_as_a_whole(
    film: Path, tmp_path: Path, serial: Analysis
):
    """A key frame in the middle is damaged: decoding cannot begin there."""
    data = bytearray(film.read_bytes())
    at = len(data) // 2
    data[at : at + 4000] = bytes(np.random.default_rng(0).integers(0, 256, 4000, np.uint8))
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    with serially() as executor:
        one = analysed(damaged, executor)
    with ProcessExecutor(on_cores(2)) as executor:
        two = analysed(damaged, executor)
    assert facts(one) == facts(two)
    assert one.performance["chunks"] == 1 and one.damaged
