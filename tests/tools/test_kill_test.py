"""``tools/kill_test.py``: commands that are ended at random moments leave nothing half-done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "kill_test.py"

BREAKS = """
import pathlib, runpy, sys
sys.path.insert(0, str(pathlib.Path(sys.argv[1]).parent))
import disturbed
if sys.argv.pop(2) == "content":
    of_result = disturbed.problems_of_result
    disturbed.problems_of_result = lambda folder: [*of_result(folder), "damaged: a file"]
else:
    disturbed.remains = lambda place: ["a.partial"]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def killed(*arguments, before=()):
    done = subprocess.run(
        [sys.executable, *before, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("signal", "works"),
    [("KILL", ["run", "render", "merge", "gallery-remove"]), ("INT", ["undo"])],
)
def test_ended_at_random_moments(signal, works):
    """``python tools/kill_test.py`` tries 30 of each."""
    done, lines = killed(TOOL, "--signal", signal, "--times", 3, "--works", *works)
    assert done.returncode == 0, done.stderr
    assert [line["problems"] for line in lines] == [0] * len(works)


@pytest.mark.parametrize("fault", ["content", "remains"])
def test_what_is_left_is_found(fault):
    before = ("-c", BREAKS, TOOL, fault)
    done, lines = killed("--times", 1, "--works", "merge", before=before)
    assert done.returncode == 1
    assert lines[0]["problems"]
    assert "again: " in done.stderr
