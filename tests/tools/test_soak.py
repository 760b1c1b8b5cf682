"""``tools/soak.py``: nothing grows from film to film, nor along a film."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "soak.py"

LEAKS = """
import sys, threading, runpy
import facetrack
analyze = facetrack.analyze
def leaky(*given, **settings):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return analyze(*given, **settings)
facetrack.analyze = leaky
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def soaked(*arguments, before=()):
    done = subprocess.run(
        [sys.executable, *before, SCRIPT, *map(str, arguments)], capture_output=True, text=True
    )
    assert not done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_many_films_in_one_process(pyfeat_data):
    code, lines = soaked(
        pyfeat_data / "single_face.mp4", pyfeat_data / "WolfgangLanger_Pexels.mp4",
        "--films", 12, "--seconds", 0.3, "--render-every", 4,
    )  # fmt: skip
    assert (code, lines[-1]["grew"]) == (0, []), lines
    assert lines[-2]["processes"] == 0


def test_one_film_that_goes_on(pyfeat_data):
    code, lines = soaked(pyfeat_data / "single_face.mp4", "--hours", 0.01)
    assert lines[0]["frames"] > 800
    assert (code, lines[-1]["grew"]) == (0, []), lines


def test_a_leak_is_found(pyfeat_data):
    code, lines = soaked(
        pyfeat_data / "single_face.mp4", "--films", 8, "--seconds", 0.1, "--render-every", 100,
        before=["-c", LEAKS],
    )  # fmt: skip
    assert code == 1
    assert "threads" in lines[-1]["grew"]
