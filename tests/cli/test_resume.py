"""A run that was killed goes on; what is done is kept, and what has changed is done again."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facetrack.api.verify import verify
from facetrack.jobs.table import WORK, JobTable
from facetrack.timeline import Analysis
from made.chunked_film import write_chunked
from made.command import facetrack as run_command
from made.run_folders import CONFIG, command, results


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, pyfeat_data: Path) -> Path:
    """A folder of three films, one of them below another folder, and of other files."""
    folder = tmp_path_factory.mktemp("films")
    long = write_chunked(pyfeat_data / "single_face.mp4", folder / "long.mp4", 150, 24)
    (folder / "more").mkdir()
    write_chunked(long, folder / "more" / "short.mp4", 40, 20)
    write_chunked(long, folder / "more" / "long.mp4", 60, 24)
    (folder / "notes.txt").write_text("no film")
    (folder / "config.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def unbroken(films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("unbroken")
    done = run_command(*command(films, out))
    assert done.returncode == 0, done.stderr
    return results(out)


def test_all_films_of_a_folder_have_folders_of_their_own(unbroken: dict[str, object]):
    assert list(unbroken) == ["long", "long-2", "short"]


def kept_by(out: Path) -> int:
    """Number of chunks of films in work that the table says are kept."""
    if not (out / WORK / "jobs.sqlite").exists():
        return 0
    with JobTable(out) as table:
        return sum(row.chunks_kept for row in table.films())


def killed_with_kept_chunks(films: Path, out: Path) -> None:
    """Runs the command until a chunk is kept, and kills it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facetrack", *command(films, out)], stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not kept_by(out):
        time.sleep(0.02)
    process.kill()
    process.wait()


def test_chunks_that_are_kept_are_not_done_again(films: Path, tmp_path: Path):
    killed_with_kept_chunks(films, tmp_path)
    with JobTable(tmp_path) as table:
        rows = table.films()
    in_work = [row for row in rows if row.state == "in work"]
    assert in_work and sum(row.chunks_kept for row in in_work) >= 1
    status = run_command("status", str(tmp_path))
    assert "in work" in status.stdout and "parts are done" in status.stdout


def test_a_kept_chunk_that_was_changed_is_done_again(
    films: Path, unbroken: dict[str, object], tmp_path: Path
):
    killed_with_kept_chunks(films, tmp_path)
    kept = [p for p in (tmp_path / WORK).glob("*/*.arrow") if not p.name.startswith(".")]
    data = bytearray(kept[0].read_bytes())
    data[len(data) // 2] ^= 255
    kept[0].write_bytes(data)
    done = run_command(*command(films, tmp_path))
    assert done.returncode == 0, done.stderr
    assert results(tmp_path) == unbroken


def test_what_is_done_is_kept_and_what_has_changed_is_done_again(films: Path, tmp_path: Path):
    mine, out = tmp_path / "films", tmp_path / "out"
    shutil.copytree(films, mine)
    assert run_command(*command(mine, out)).returncode == 0
    folder = out / "short"
    assert run_command("people", "name", str(folder), "1", "Ada").returncode == 0
    before = (folder / "timeline.json").stat().st_mtime_ns
    done = run_command(*[one for one in command(mine, out) if one != "-q"])
    assert done.returncode == 0
    assert done.stderr.count("analysed before") == 3
    assert (folder / "timeline.json").stat().st_mtime_ns == before
    assert Analysis.load(folder).people[0].name == "Ada"

    write_chunked(mine / "long.mp4", mine / "more" / "short.mp4", 44, 20)
    done = run_command(*command(mine, out))
    assert "analysed again: the video has changed" in done.stderr
    assert Analysis.load(folder).info.frame_count == 44
    assert Analysis.load(folder).people[0].name == "Ada"

    done = run_command(*command(mine, out, "--min-face", "40"))
    assert done.stderr.count("analysed again: a setting or a version has changed") == 3

    (out / "long" / "faces.parquet").write_bytes(b"")
    done = run_command(*command(mine, out, "--min-face", "40"))
    assert done.stderr.count("analysed again") == 1 and "faces.parquet" in done.stderr
    assert not verify(out / "long").findings


def test_one_bad_film_does_not_spoil_the_others(films: Path, tmp_path: Path):
    mine, out = tmp_path / "films", tmp_path / "out"
    shutil.copytree(films, mine)
    (mine / "bad.mp4").write_bytes(b"no film")
    done = run_command(*command(mine, out))
    assert done.returncode == 3
    assert "3 of 4 done; failed:" in done.stderr
    status = run_command("status", str(out))
    assert status.returncode == 1
    assert "failed   bad.mp4" in status.stdout and "3 done, 1 failed" in status.stdout


def test_a_second_run_on_the_same_folder_says_so(films: Path, tmp_path: Path):
    first = subprocess.Popen([sys.executable, "-m", "facetrack", *command(films, tmp_path)])
    while not (tmp_path / "long").exists():
        assert first.poll() is None
    second = run_command("analyze", str(films / "long.mp4"), "-o", str(tmp_path), "-q")
    assert second.returncode == 5 and "is in use" in second.stderr
    assert first.wait() == 0


def test_lists_and_patterns(films: Path, tmp_path: Path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{films / 'more' / 'short.mp4'}\n\n")
    plan = ["--dry-run", "-q", "--json", "-o", str(tmp_path / "out")]
    done = run_command("analyze", "--list", str(listed), *plan)
    assert done.stdout.count("short.mp4") == 1 and done.returncode == 0
    done = run_command("analyze", "-", *plan, input=f"{films / 'more' / 'short.mp4'}\n")
    assert done.stdout.count("short.mp4") == 1 and done.returncode == 0
    done = run_command("analyze", str(films), "--glob", "sh*.mp4", *plan)
    assert done.stdout.count("short.mp4") == 1 and "long.mp4" not in done.stdout
    done = run_command("analyze", str(films), "--glob", "*.mkv", *plan)
    assert done.returncode == 3 and "no file like *.mkv in it" in done.stderr
    done = run_command("analyze", *plan)
    assert done.returncode == 2 and "no video is given" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--jobs", "many"], "--jobs is 'many'"),
        (["--jobs", "0"], "--jobs is '0'"),
        (["--memory", "lots"], "--memory is 'lots'"),
        (["--gpus", "first"], "--gpus is 'first'"),
        (["--gpus", "0,0"], "name each GPU once"),
    ],
)
def test_numbers_that_make_no_sense(films: Path, tmp_path: Path, given: list[str], said: str):
    done = run_command("analyze", str(films / "long.mp4"), "-o", str(tmp_path), *given)
    assert done.returncode == 2 and said in done.stderr


def test_status_of_a_folder_without_a_run(tmp_path: Path):
    done = run_command("status", str(tmp_path))
    assert done.returncode == 3 and "no run has begun here" in done.stderr
