"""A run over six films that is killed twenty times, and goes on each time."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from facetrack.core.atomic_write import PARTIAL
from facetrack.jobs.table import WORK, JobTable
from made.chunked_film import write_chunked
from made.command import facetrack
from made.run_folders import CONFIG, command, results

KILLS = 20


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, pyfeat_data: Path) -> Path:
    """Six films of 1 to 12 chunks; two have one name."""
    folder = tmp_path_factory.mktemp("films")
    long = write_chunked(pyfeat_data / "single_face.mp4", folder / "a.mp4", 500, 24)
    write_chunked(pyfeat_data / "WolfgangLanger_Pexels.mp4", folder / "b.mp4", 400, 24)
    for number, frames in enumerate((40, 150, 300)):
        write_chunked(long, folder / f"c{number}.mp4", frames, 24)
    (folder / "more").mkdir()
    shutil.copy(folder / "c1.mp4", folder / "more" / "a.mp4")
    (folder / "config.toml").write_text(CONFIG)
    return folder


def finished(out: Path) -> dict[Path, int]:
    """Each kept chunk and each result, as the table has them: when it was written."""
    if not (out / WORK / "jobs.sqlite").exists():
        return {}
    with JobTable(out) as table:
        rows = table.films()
        kept = [
            out / WORK / row.key / f"{chunk.number:05}.arrow"
            for row in rows
            for chunk in table.chunks(row.key)
            if row.state == "in work"
        ]
        done = [Path(row.folder) / "timeline.json" for row in rows if row.state == "done"]
    return {path: path.stat().st_mtime_ns for path in [*kept, *done]}


def is_redone(path: Path, written: int) -> bool:
    """Whether what was finished was made once more; a chunk is removed when its film is done."""
    return path.exists() and path.stat().st_mtime_ns != written


def killed(films: Path, out: Path, after_s: float) -> bool:
    """Runs the command and kills it after so many seconds; False: it had ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facetrack", *command(films, out)], stderr=subprocess.DEVNULL
    )
    time.sleep(after_s)
    workers = psutil.Process(process.pid).children() if process.poll() is None else []
    process.kill()
    was_killed = process.wait() < 0
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "a worker outlived its parent"
    return was_killed


def test_killed_twenty_times(films: Path, tmp_path_factory: pytest.TempPathFactory):
    whole, out = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    done = facetrack(*command(films, whole))
    assert done.returncode == 0, done.stderr

    chance = random.Random(1)
    kills, before, redone = 0, dict[Path, int](), list[Path]()
    while kills < KILLS and killed(films, out, chance.uniform(0.3, 4.5)):
        kills += 1
        redone += [path for path, written in before.items() if is_redone(path, written)]
        before = finished(out)
    done = facetrack(*command(films, out))
    assert done.returncode == 0, done.stderr
    redone += [path for path, written in before.items() if is_redone(path, written)]

    assert redone == []
    assert results(out) == results(whole)
    assert [p for p in out.rglob("*") if PARTIAL.fullmatch(p.name)] == []
    assert [p.name for p in (out / WORK).iterdir() if p.is_dir()] == []
    print(f"{kills} kills")  # fewer where the computer is fast
