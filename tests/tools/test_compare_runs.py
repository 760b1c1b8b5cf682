"""``tools/compare_runs.py`` says each difference between two result folders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from made.media import make_video

SCRIPT = Path(__file__).parents[2] / "tools" / "compare_runs.py"


@pytest.fixture
def runs(tmp_path) -> tuple[Path, Path]:
    """Two equal results of a video, in folders of their own."""
    first = tmp_path / "a" / "film"
    (first / "people").mkdir(parents=True)
    (first / "clips").mkdir()
    write_timeline(first, seconds=1.0)
    write_rows(first, x1=[1.0, float("nan")])
    np.savez(first / "embeddings.npz", embeddings=np.eye(3, dtype=np.float32))
    (first / "people" / "person_01.jpg").write_bytes(b"thumbnail")
    make_video(first / "clips" / "one.mp4", frames=12, beeps=True)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    return tmp_path / "a", tmp_path / "b"


def write_timeline(folder: Path, seconds: float, people: int = 1) -> None:
    timeline = {
        "people": [{"id": i} for i in range(people)],
        "performance": {"engine": "cpu", "seconds": seconds},
    }
    (folder / "timeline.json").write_text(json.dumps(timeline))


def write_rows(folder: Path, x1: list[float]) -> None:
    for name in ("faces.parquet", "frames.parquet", "crops.parquet"):
        pq.write_table(pa.table({"frame": [0, 1], "x1": x1}), folder / name)


def compared(runs: tuple[Path, Path]) -> tuple[int, str]:
    made = subprocess.run([sys.executable, SCRIPT, *runs], capture_output=True, text=True)
    assert not made.stderr
    return made.returncode, made.stdout


def test_equal_runs_end_with_0(runs):
    """Also when they took different times."""
    write_timeline(runs[1] / "film", seconds=2.0)
    code, out = compared(runs)
    assert code == 0 and "are the same" in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: write_timeline(f, 1.0, people=2), "timeline.json: .people has 1 and 2 entries"),
        (lambda f: write_rows(f, [1.0, 2.0]), "faces.parquet: column x1: 1 of 2 rows differ"),
        (
            lambda f: np.savez(f / "embeddings.npz", embeddings=np.ones((3, 3), np.float32)),
            "embeddings.npz: array embeddings: 6 of 9 values differ",
        ),
        (lambda f: (f / "people/person_01.jpg").write_bytes(b"x"), "person_01.jpg: other bytes"),
        (lambda f: (f / "people/person_01.jpg").unlink(), "person_01.jpg: only in"),
        (
            lambda f: make_video(f / "clips/one.mp4", frames=12),
            "one.mp4: streams are",
        ),
        (
            lambda f: make_video(f / "clips/one.mp4", frames=11, beeps=True),
            "h264 96x64 yuv420p 0 2 2: 12 and 11 frames",
        ),
        (
            lambda f: make_video(f / "clips/one.mp4", frames=12, beeps=True, options={"crf": "51"}),
            "frames differs, first at 0",
        ),
    ],
)
def test_each_difference_is_said_and_ends_with_1(runs, change, said):
    change(runs[1] / "film")
    code, out = compared(runs)
    assert code == 1
    assert said in out


def test_a_folder_without_a_result_is_wrong_usage(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    made = subprocess.run([sys.executable, SCRIPT, runs[0], tmp_path / "empty"], text=True,
                          capture_output=True)  # fmt: skip
    assert made.returncode == 2 and "holds no timeline.json" in made.stderr
