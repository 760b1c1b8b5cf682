"""A real Ray on this computer: the same bits as without it, also when a worker is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from facetrack.core.errors import InputError, UsageError
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.processes import on_cores
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis
from made.command import facetrack, one_line
from made.executed_films import SETTINGS, analysed, facts, serially, talking_film

pytest.importorskip("ray", reason="pip install 'facetrack[ray]'")
# Ray leaves sockets and files to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(sys.platform != "linux", reason="finds Ray's workers by their titles"),
]

from facetrack.jobs.ray_executor import LOCAL, RayExecutor  # noqa: E402


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, pyfeat_data: Path) -> Path:
    return talking_film(pyfeat_data, tmp_path_factory.mktemp("ray") / "film.mp4")


@pytest.fixture(scope="module")
def serial(film: Path) -> Analysis:
    with serially() as executor:
        return analysed(film, executor)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayExecutor]:
    with RayExecutor(LOCAL, on_cores(1)[0], 2) as executor:
        yield executor


def ray_workers() -> list[psutil.Process]:
    """Those that are at work on an item."""
    running = psutil.process_iter(["cmdline"])
    return [p for p in running if "ray::_work" in " ".join(p.info["cmdline"] or [])]


def test_the_same_bits(cluster: RayExecutor, film: Path, serial: Analysis):
    assert cluster.workers == 2
    assert facts(analysed(film, cluster)) == facts(serial)


def test_a_killed_worker_costs_its_chunk_once(cluster: RayExecutor, film: Path, serial: Analysis):
    work = FilmInWork(film, SETTINGS)
    items = work.items
    for item in items:
        cluster.submit(item)
    first = cluster.wait()
    killed = ray_workers()
    for process in killed:
        process.kill()
    assert killed
    done = [first, *(cluster.wait() for _ in items[1:])]
    for one in done:
        assert not isinstance(one.outcome, Exception), one.outcome
        work.add(one.item, one.outcome)
    assert facts(work.finish(RunStats(), 2)) == facts(serial)


def test_an_error_of_a_film_is_given_back(cluster: RayExecutor, film: Path, tmp_path: Path):
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(film.read_bytes())
    (first, *_) = FilmInWork(gone, SETTINGS).items
    gone.unlink()
    cluster.submit(first)
    outcome = cluster.wait().outcome
    assert isinstance(outcome, InputError) and "no such file" in str(outcome)


def test_cancelled_items_are_not_given_back(cluster: RayExecutor, film: Path, tmp_path: Path):
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes())
    for item in FilmInWork(other, SETTINGS).items:
        cluster.submit(item)
    (first, *_) = FilmInWork(film, SETTINGS).items
    cluster.submit(first)
    cluster.cancel(other)
    assert cluster.pending == 1
    assert cluster.wait().item is first


def test_the_command_on_a_cluster_that_runs_already(cluster: RayExecutor, film: Path, tmp_path):
    """The cluster stays; the handlers of signals are those of the command."""
    import ray

    address = ray.get_runtime_context().gcs_address
    run = ["analyze", film, "-o", tmp_path, "--executor", "ray", "--ray-address", address, "-q"]
    process = subprocess.Popen(
        [sys.executable, "-m", "facetrack", *map(str, run)], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not ray_workers():
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 143
    done = facetrack(*run)
    assert done.returncode == 0, done.stderr
    by_ray = Analysis.load(tmp_path / "film")
    assert by_ray.performance["workers"] == 2
    assert facetrack("analyze", film, "-o", tmp_path / "here", "-q").returncode == 0
    assert facts(by_ray) == facts(Analysis.load(tmp_path / "here" / "film"))


def test_no_such_executor_and_no_such_cluster(film: Path, tmp_path: Path):
    done = facetrack("analyze", film, "-o", tmp_path, "--executor", "rey")
    assert done.returncode == 2 and "it must be auto or ray" in one_line(done.stderr)
    with pytest.raises(UsageError, match="there is no Ray cluster at"):
        RayExecutor("127.0.0.1:1", {})
