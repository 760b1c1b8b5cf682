"""Changes copies of a result, and is killed at another moment each time, until none is left.

    python tests/identity/killed_edit.py FOLDER OUT merge|undo|save|render

Of copy ``n`` the process that changes it is killed with SIGKILL just before its n-th change to the
file system; the last copy's is not. ``save`` analyses again, as ``run`` does: the new result is
``FOLDER/../again``. ``render`` makes clips again; it is killed only when they are being switched.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

# All imports once: each edit is done in a fork of this process.
import PIL.JpegImagePlugin  # noqa: F401
import pyarrow.dataset  # noqa: F401

import facetrack
import facetrack.cli.people_view
from facetrack.cli.people import merge_people, undo_edit
from facetrack.core.settings import ClipSettings
from facetrack.identity.kept_edits import save_again
from facetrack.timeline import Analysis


def save(folder):
    save_again(Analysis.load(Path(sys.argv[1]).parent / "again"), folder)


def render(folder):
    settings = ClipSettings(target=("2",), size=64, quality=20, jobs=1)
    facetrack.render(Analysis.load(folder), folder, settings)


EDITS = {
    "merge": lambda folder: merge_people(folder, 1, [2]),
    "undo": undo_edit,
    "save": save,
    "render": render,
}
SWITCH = (".history/rendered", "/clips/", "/crops.parquet", "/renders.json")
"""Paths that a render changes when its clips are whole."""
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "sqlite3.connect", "open")


def main() -> None:
    folder, out, edit = sys.argv[1:]
    killed, moment = True, 0
    while killed:
        moment += 1
        copy = Path(out) / f"{moment:03}"
        shutil.copytree(folder, copy)
        child = os.fork()
        if child == 0:
            killed_at(moment, edit, copy)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or status == 0, status


def killed_at(moment: int, edit: str, copy: Path) -> None:
    left = moment

    def count(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        changes = event in CHANGES and (event != "open" or "w" in str(args[1]))
        paths = [str(arg) for arg in args if str(copy) in str(arg)]
        if edit == "render":
            paths = [p for p in paths if "rendering/new" not in p and any(s in p for s in SWITCH)]
        if changes and paths:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the process ends here
    EDITS[edit](copy)
    os._exit(0)


if __name__ == "__main__":
    main()
