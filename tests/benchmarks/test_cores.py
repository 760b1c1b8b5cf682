"""``facetrack bench --cores``: how the analysis grows with the cores."""

import json
import os

import pytest
from PIL import Image

from facetrack.runtime.process import usable_cores
from made.chunked_film import write_chunked
from made.command import facetrack


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to keep to some cores")
def test_each_number_of_cores_is_measured_and_gives_the_same(pyfeat_data, tmp_path):
    pytest.importorskip("matplotlib")
    film = write_chunked(pyfeat_data / "single_face.mp4", tmp_path / "film.mp4", 300, 24)
    done = facetrack("bench", film, "--cores", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "bench.json").read_text())
    (video,) = report["cores"]
    runs = video["runs"]
    assert runs[0]["cores"] == 1 and runs[-1]["cores"] == usable_cores()
    assert len({run["digest"] for run in runs}) == 1
    assert {run["frames"] for run in runs} == {300} and runs[0]["chunks"] >= 2
    assert [run["workers"] for run in runs] == [min(r["cores"], r["chunks"]) for r in runs]
    assert runs[0]["times_one"] == 1.0 and all(run["times_one"] > 0 for run in runs)
    assert "times one core" in done.stdout
    with Image.open(tmp_path / "out" / "cores.png") as image:
        image.load()
