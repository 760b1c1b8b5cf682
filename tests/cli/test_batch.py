"""Several films in one command: whatever one of them does, the others go on."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from facetrack.core.folder_lock import locked
from made.command import facetrack, one_line

FUZZ = Path(__file__).parents[3] / "shared" / "cases" / "fuzz"
needs_fuzz = pytest.mark.skipif(
    not FUZZ.is_dir(), reason="the damaged films are not beside this checkout"
)


def lines_of(done):
    return {Path(line["video"]).name: line for line in map(json.loads, done.stdout.splitlines())}


def test_each_film_has_a_line_and_the_end_says_which_failed(pyfeat_data, tmp_path):
    (tmp_path / "text.mp4").write_text("hello\n" * 500)
    good = pyfeat_data / "single_face.mp4"
    done = facetrack(
        "analyze",
        tmp_path / "text.mp4",
        good,
        tmp_path / "none.mp4",
        "-o",
        tmp_path / "out",
        "--json",
    )
    assert done.returncode == 3
    lines = lines_of(done)
    codes = {name: line["exit_code"] for name, line in lines.items()}
    assert codes == {"text.mp4": 3, "single_face.mp4": 0, "none.mp4": 3}
    assert lines["single_face.mp4"]["people"] == 1
    assert lines["single_face.mp4"]["error"] is None
    assert "not a video" in lines["text.mp4"]["error"]
    assert "1 of 3 done" in done.stderr.splitlines()[-1]
    assert "none.mp4" in done.stderr.splitlines()[-1]
    assert (tmp_path / "out" / "single_face" / "timeline.json").is_file()


@needs_fuzz
def test_films_that_make_libraries_raise(pyfeat_data, tmp_path):
    damaged = sorted(FUZZ.iterdir())
    good = pyfeat_data / "single_face.mp4"
    done = facetrack("run", *damaged, good, "-o", tmp_path, "--json")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "fault of facetrack" not in done.stderr
    lines = lines_of(done)
    assert set(lines) == {film.name for film in [*damaged, good]}
    assert lines[good.name]["clips"] == 1


def test_an_output_that_cannot_be_written_stops_no_other(pyfeat_data, tmp_path):
    """Another process is at work in the first film's folder."""
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    for film in (first, second):
        shutil.copy(pyfeat_data / "single_face.mp4", film)
    out = tmp_path / "out"
    (out / "first").mkdir(parents=True)
    with locked(out / "first", video=first):
        done = facetrack("analyze", first, second, "-o", out, "--json")
    assert done.returncode == 5
    assert [line["exit_code"] for line in lines_of(done).values()] == [5, 0]


def test_render_goes_on_too(pyfeat_data, tmp_path):
    """Of two results the first one's film is gone."""
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    for film in (first, second):
        shutil.copy(pyfeat_data / "single_face.mp4", film)
    out = tmp_path / "out"
    assert facetrack("analyze", first, second, "-o", out, "--quiet").returncode == 0
    first.unlink()
    done = facetrack("render", out / "first", out / "second", "--size", "128", "--json")
    assert done.returncode == 3
    assert [line["exit_code"] for line in map(json.loads, done.stdout.splitlines())] == [3, 0]
    assert "1 of 2 done" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("mib", [600, 1200, 1950, 2048])
def test_little_memory_is_one_line(pyfeat_data, tmp_path, mib):
    """None of these sizes hangs, and none prints a traceback; what works is whole.

    Between them are sizes at which a library aborts the process: where memory ends while it starts
    a thread, or in the middle of a copy that it does not check.
    """
    film = pyfeat_data / "single_face.mp4"
    done = facetrack("analyze", film, "-o", tmp_path, "--quiet", memory=mib * 2**20)
    if done.returncode:
        assert done.returncode in (1, 3)
        assert "memory" in one_line(done.stderr)
        assert not list(tmp_path.rglob("*.partial*"))
    else:
        assert json.loads((tmp_path / "single_face" / "timeline.json").read_text())["people"]
