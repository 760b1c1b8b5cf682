"""Commands that are disturbed while they work, and what must hold after it.

A scene is a folder with all that a command finds and changes: a result ``out/film``, a gallery,
and files of the user's beside them. ``kill_test.py`` and ``faults.py`` work in copies of it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare_runs import timeline_of
from facetrack.api.verify import verify
from facetrack.core.atomic_write import PARTIAL
from facetrack.core.errors import FacetrackError
from facetrack.core.folder_lock import HISTORY
from facetrack.demo import make_sample, sample_media
from facetrack.identity.gallery import Gallery
from facetrack.jobs.table import WORK
from facetrack.models.weight_files import cache_folder
from facetrack.timeline.clip_switch import RENDERED
from facetrack.timeline.history_files import RENEWED

RESULT = Path("out/film")
REPORT = f"{RESULT}/report.html"
GALLERY = "gallery.sqlite"
CANARY = "mine"
"""A folder with names of facetrack's, and of incomplete files, that no command may touch."""
PART = ("--start", "4", "--duration", "3")
"""The part of the demo's film that is analysed: two people one after the other, two shots."""
CLIPS = ("--target", "1,2")
MONITORING = "monitoring stopped"
"""A warning that is allowed: the samples of the run could not be written while it went on."""
LISTS = {f"{RESULT}/renders.json", f"{RESULT}/crops.parquet"}
"""Files that list the clips: when one clip of several fails, the others are listed."""
MEASURED = {"metrics.jsonl", "report.html", "files.json"}
"""Files that differ from run to run with the time that was measured."""


@dataclass(frozen=True)
class Work:
    """A command, and those before it whose outcome it finds."""

    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()
    again: bool = True
    """Whether the same command gives the same outcome once more; else it is repeated only where it
    has not done anything yet."""


RUN = ("run", "{root}/film.mp4", "-o", "out", *PART, "--jobs", "2", "--quiet")
WORKS = {
    "run": Work((*RUN, *CLIPS, "--size", "128")),
    "run-again": Work((*RUN, "--target", "Ada", "--size", "96"), ("run", "name", "merge")),
    "render": Work(("render", str(RESULT), *CLIPS, "--size", "96", "--quiet"), ("run",)),
    "name": Work(("people", "name", str(RESULT), "1", "Ada"), ("run",)),
    "merge": Work(("people", "merge", str(RESULT), "1", "2"), ("run",), again=False),
    "split": Work(
        ("people", "split", str(RESULT), "1", "--track", "2"), ("run", "merge"), again=False
    ),
    "undo": Work(("people", "undo", str(RESULT)), ("run", "merge"), again=False),
    "report": Work(("report", str(RESULT)), ("run",)),
    "export": Work(("export", str(RESULT), "--format", "csv"), ("run",)),
    "gallery-add": Work(
        ("gallery", "add", "Ada", "{root}/ada.jpg", "--gallery", GALLERY), ("enrol",), again=False
    ),
    "gallery-remove": Work(
        ("gallery", "remove", "Bo", "--gallery", GALLERY), ("enrol",), again=False
    ),
    "gallery-export": Work(
        ("gallery", "export", "people.json", "--gallery", GALLERY),
        ("enrol", "gallery-export", "gallery-add"),
    ),
    "enrol": Work(("gallery", "add", "Bo", "{root}/bo.jpg", "--gallery", GALLERY)),
}
State = dict[str, str]
"""Path of each file in a scene -> what it holds, without what is measured."""


class Scenes:
    """Makes copies of the folder that a command finds, and of the one that it leaves."""

    def __init__(self, root: Path) -> None:
        """``root``: a folder of its own, which the caller removes."""
        self.root = root
        media = sample_media(cache_folder())
        make_sample(media, root / "film.mp4")
        shutil.copy(media / "single_face.jpg", root / "ada.jpg")
        shutil.copy(media / "45-m7-di-ph.jpg", root / "bo.jpg")
        self._made: dict[tuple[str, ...], Path] = {}

    def before(self, work: str) -> Path:
        """The folder that a command finds; nobody may change it."""
        return self._after(WORKS[work].before)

    def after(self, work: str) -> Path:
        """The folder that it leaves when nothing disturbs it."""
        return self._after((*WORKS[work].before, work))

    def copy(self, work: str, name: str) -> Path:
        """A new copy of the folder that a command finds."""
        place = self.root / name
        shutil.copytree(self.before(work), place)
        return place

    def arguments(self, work: str) -> list[str]:
        """What follows ``facetrack``."""
        return [part.format(root=self.root) for part in WORKS[work].arguments]

    def command(self, work: str) -> list[str]:
        """How the command is started, in a scene's folder."""
        return [sys.executable, "-m", "facetrack", *self.arguments(work)]

    def _after(self, works: tuple[str, ...]) -> Path:
        if works not in self._made:
            place = self.root / ("made-" + "-".join(works))
            if works:
                shutil.copytree(self._after(works[:-1]), place)
                done = subprocess.run(
                    self.command(works[-1]), cwd=place, env=environment(), capture_output=True,
                    text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise RuntimeError(f"{works}: {done.stderr}")
            else:
                make_canary(place)
            self._made[works] = place
        return self._made[works]


def make_canary(place: Path) -> None:
    """Files of the user's."""
    for name in ("people/person_01.jpg", "timeline.json", ".a.json.0123abcd.partial"):
        path = place / CANARY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def state_of(place: Path) -> State:
    """What a scene holds.

    Incomplete files, what the history prepares, and what a run goes on with are left out.
    """
    found: State = {}
    for path in sorted(p for p in place.rglob("*") if p.is_file()):
        name = path.relative_to(place)
        if name.parts[0] != CANARY and (WORK in name.parts or is_unfinished(name)):
            continue
        if path.name == GALLERY and not rows_of(path):
            continue  # as if there were none
        found[name.as_posix()] = content_of(path)
    return found


def is_unfinished(name: Path) -> bool:
    """Whether it is a file that is not under its final name, or the lock."""
    if PARTIAL.fullmatch(name.name) or name.name.startswith(f"{GALLERY}-"):
        return True
    if HISTORY not in name.parts:
        return False
    step, *inner = name.parts[name.parts.index(HISTORY) + 1 :]
    return not step.isdecimal() or inner[:1] == ["new"]


def content_of(path: Path) -> str:
    """A digest of the content; of a table that is measured, only that it is there."""
    if path.name in MEASURED:
        return "there"
    if path.name == GALLERY:
        return digest([[f.name, f.photo, f.embedding.tolist()] for f in rows_of(path)])
    if path.name in ("timeline.json", "after.json") and CANARY not in path.parts:
        timeline = timeline_of(path)
        timeline["warnings"] = [w for w in timeline["warnings"] if MONITORING not in w]
        return digest(timeline)
    if path.name == "change.json":
        change = json.loads(path.read_text())
        return digest({key: value for key, value in change.items() if key != "state"})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows_of(gallery: Path) -> list[Any]:
    """The faces of a gallery; none where the file is still empty."""
    if not gallery.stat().st_size:
        return []
    with Gallery(gallery) as opened:
        return opened.faces()


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def problems_between(place: Path, before: State, after: State) -> list[str]:
    """What is wrong with a scene in which a command was disturbed: nothing may be half-written, and
    everything is as it was or as it should be."""
    try:
        now = state_of(place)
    except Exception as error:
        return [f"a file cannot be read: {type(error).__name__}: {error}"]
    wrong = []
    for name in sorted(now.keys() | before.keys()):
        allowed = {before.get(name), after.get(name)}
        if name not in before:
            allowed.discard(None)
        if name in after and HISTORY not in name and name not in now:
            allowed.discard(None)
        if now.get(name) not in allowed and not is_derived(name, now) and name not in LISTS:
            was = "is gone" if name not in now else "has another content"
            wrong.append(f"{name} {was}")
    return wrong + problems_of_result(place / RESULT)


def is_derived(name: str, now: State) -> bool:
    """Whether it is a report that is gone: an edit removes it, and the next command makes it."""
    return name == REPORT and name not in now


def problems_of_result(folder: Path) -> list[str]:
    """What ``facetrack verify`` finds, but for a report that is to be made."""
    if not any((folder / name).exists() for name in ("timeline.json", "renders.json")):
        return []
    try:
        return [str(f) for f in verify(folder).bad if f.path != "report.html"]
    except FacetrackError as error:
        return [str(error)]


def is_done(now: State, after: State) -> bool:
    """Whether the command has done its work, but perhaps for the report, which comes last."""
    return not [what for what in differences(now, after) if what != f"{REPORT} is missing"]


def differences(now: State, wanted: State, history: bool = True) -> list[str]:
    """The files in which two scenes differ.

    ``history``: compare that too. A run over a finished result adds steps to it.
    """
    return [
        f"{name} is {'missing' if name not in now else 'another' if name in wanted else 'too much'}"
        for name in sorted(now.keys() | wanted.keys())
        if now.get(name) != wanted.get(name) and (history or HISTORY not in name)
    ]


def remains(place: Path) -> list[str]:
    """Incomplete files that a command which ended by itself should have removed.

    Not those of a switch that has begun: whoever opens the folder next finishes it.
    """
    names = (p.relative_to(place) for p in place.rglob("*") if p.is_file())
    return [
        name.as_posix()
        for name in names
        if name.parts[0] != CANARY and name.name != "lock"
        and is_unfinished(name) and not is_begun(name)
    ]  # fmt: skip


def is_begun(name: Path) -> bool:
    """Whether a file belongs to a change that is committed, and not yet in its place."""
    if HISTORY not in name.parts:
        return False
    step = name.parts[name.parts.index(HISTORY) + 1]
    return step.isdecimal() or step in (RENEWED, RENDERED, "undo")


def environment(**more: str) -> dict[str, str]:
    """Of this process, with the code of this checkout first."""
    here = str(Path(__file__).parents[1] / "src")
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **more}
