"""Real disks that are full or read-only, and too few open files: a line, and nothing is lost."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys

import pytest

from facetrack.api.verify import verify
from facetrack.timeline import Analysis
from made.command import one_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and mounts are Linux's")
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1


@pytest.fixture
def folder(demo_analysis, tmp_path):
    demo_analysis.save(tmp_path / "out" / "sample")
    return tmp_path / "out" / "sample"


def started(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "facetrack", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=250, **options,
    )  # fmt: skip


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "lock")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def as_owner_without_privilege():
    """Permissions hold for root too without this capability."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.parametrize(
    "arguments", [("people", "name", 1, "Ada"), ("people", "merge", 1, 2), ("render", "--size", 64)]
)
def test_a_folder_that_is_read_only(folder, arguments):
    command, *rest = arguments if arguments[0] == "render" else (arguments[:2], *arguments[2:])
    command = [command] if isinstance(command, str) else command
    before = contents(folder)
    places = [folder, *(p for p in folder.rglob("*") if p.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        done = started(*command, folder, *rest, preexec_fn=as_owner_without_privilege)
    finally:
        for place in places:
            place.chmod(0o755)
    assert done.returncode == 5
    assert str(folder) in one_line(done.stderr)
    assert contents(folder) == before


@pytest.mark.parametrize("files", [5, 6, 7, 8, 9, 10])
def test_too_few_open_files(folder, files):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    before = contents(folder)
    done = started("people", "merge", folder, 1, 2, preexec_fn=few)
    if done.returncode:
        assert done.returncode == 1
        assert "open files" in one_line(done.stderr)
    people = len(Analysis.load(folder).people)
    assert verify(folder).bad == [] or all(f.path == "report.html" for f in verify(folder).bad)
    if people == 7:  # else the edit is made, and what came after it failed
        assert done.returncode and contents(folder) == before
    else:
        assert people == 6


SMALL_DISK = """
mount -t tmpfs -o size=$1k none "$2" && cp -r "$3" "$2/sample" && cd "$2" || exit 77
shift 3
"$@" -m facetrack people merge sample 1 2 >&2
code=$?
"$@" -m facetrack people sample --json > /dev/null || exit 78
"$@" -c 'from facetrack.timeline import Analysis; print(len(Analysis.load("sample").people))'
exit $code
"""


@pytest.mark.parametrize("room_kib", [0, 8, 24, 40, 64, 2000])
def test_a_disk_that_is_full(folder, tmp_path, room_kib):
    alone = ["unshare", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this system permits no new mounts")
    used = sum(-(-p.stat().st_size // 4096) * 4 for p in folder.rglob("*") if p.is_file())
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*alone, "sh", "-c", SMALL_DISK, "sh", str(used + 8 + room_kib), tmp_path / "disk", folder,
         sys.executable],
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("this system permits no new mounts")
    people = 7 if done.returncode else 6
    assert done.returncode in ((5,) if room_kib < 24 else (0,) if room_kib == 2000 else (0, 5))
    assert int(done.stdout) == people
    if done.returncode:
        assert "No space left" in one_line(done.stderr)
    assert os.listdir(tmp_path / "disk") == []  # the mount is gone with its processes
