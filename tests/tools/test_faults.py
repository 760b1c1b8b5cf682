"""``tools/faults.py``: calls that fail lose nothing, and are said in a line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "faults.py"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"),
    reason="the library that makes calls fail is compiled for Linux",
)


def faults(*arguments):
    done = subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("works", "every"),
    [(("run", "render"), 61), (("merge",), 19), (("gallery-remove", "gallery-export"), 5)],
)
def test_some_calls_of_each_command(works, every):
    """``python tools/faults.py`` tries all of them."""
    kinds = ("ENOSPC", "EIO", "EMFILE", "KILL", "CLOCK")
    done, lines = faults("--works", *works, "--every", every, "--first", 2, "--faults", *kinds)
    assert done.returncode == 0, done.stderr
    assert [line["problems"] for line in lines] == [0] * len(kinds) * len(works)
    assert all(line["ended"] for line in lines if line["fault"] == "KILL")
