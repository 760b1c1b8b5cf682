"""``facetrack bench`` finds the benchmarks, which are not part of the wheel."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import facetrack

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path):
    """A folder that holds the package and its metadata, as pip leaves them of a wheel."""
    site = tmp_path / "lib" / "site-packages"
    (site / "facetrack-0.1.0.dist-info").mkdir(parents=True)
    (site / "facetrack").symlink_to(Path(facetrack.__file__).parent)
    metadata = "Metadata-Version: 2.1\nName: facetrack\nVersion: 0.1.0\n"
    (site / "facetrack-0.1.0.dist-info" / "METADATA").write_text(metadata)
    return site


def bench(site):
    return subprocess.run(
        [sys.executable, "-m", "facetrack", "bench", "missing.mp4"],
        capture_output=True, text=True, check=False, timeout=60,
        cwd=site.parent, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip


def test_a_wheel_alone_ends_with_2_and_says_where_the_benchmarks_are(installed):
    done = bench(installed)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("facetrack: the benchmarks are not part of the wheel")
    assert "pip install -e '.[bench]'" in line


def test_an_installation_from_a_checkout_finds_them_there(installed):
    origin = {"url": CHECKOUT.as_uri(), "dir_info": {}}
    (installed / "facetrack-0.1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    done = bench(installed)
    assert done.returncode == 3, done.stderr
    assert "missing.mp4: no such file" in done.stderr


def test_the_sources_find_them_beside_src():
    if not (CHECKOUT / "src" / "facetrack").samefile(Path(facetrack.__file__).parent):
        pytest.skip("this is an installed package, not the sources")
    done = bench(CHECKOUT / "src")
    assert done.returncode == 3, done.stderr
