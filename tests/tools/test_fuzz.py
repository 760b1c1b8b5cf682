"""Damaged inputs of every kind end in a line, never in a traceback, a hang, a crash or a flood."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "tools" / "fuzz.py"
CASES = 500


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FUZZ, *arguments], capture_output=True, text=True, check=False
    )


def test_damaged_inputs():
    """The same ones each time; ``python tools/fuzz.py --cases 20000 --seed N`` tries others."""
    done = fuzz("--cases", str(CASES), "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cases"] == CASES


@pytest.mark.parametrize("fault", ["error", "hang", "crash", "memory", "canary"])
def test_every_kind_of_finding_is_found(tmp_path, fault):
    """The reader of photos is replaced by one that fails in that way."""
    done = fuzz(
        "--cases", "2", "--jobs", "1", "--kinds", "photo", "--fault", fault,
        "--seconds", "3" if fault == "hang" else "60", "--keep", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"] == 2
    said = {"error": "raise ZeroDivisionError", "hang": "more than 3 s", "crash": "process died",
            "memory": "MemoryError", "canary": "is gone"}  # fmt: skip
    assert done.stderr.count(said[fault]) == 2
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["000000", "000001"]
    assert (tmp_path / kept[0] / "finding.txt").read_text().startswith("photo: ")
