"""What ``facetrack people`` shows, and what it says after an edit."""

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facetrack.cli.faces import draw_faces
from facetrack.core.errors import InputError
from facetrack.identity import editing
from facetrack.identity.folder import analysis_folder, clips_of, edit, undo
from facetrack.identity.people_file import joined_in
from facetrack.identity.person_images import cut_thumbnails
from facetrack.identity.uncertain import in_words, mending_command, uncertain
from facetrack.report import write_report
from facetrack.timeline import Analysis, Person
from facetrack.timeline.history import History

SHOWN = 4
"""Stretches and tracks of a person in the table; --json has all."""


def show_people(analysis: Analysis, folder: Path) -> None:
    """Faces where the terminal can, and a table."""
    console = Console()
    draw_faces(console, [(label_of(p), analysis.thumbnails.get(p.id)) for p in analysis.people])
    table = Table(
        title=f"{analysis.info.path.name}: {counted(len(analysis.people), 'person', 'people')}"
    )
    for column in ("person", "seconds", "tracks", "on screen"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for person in analysis.people:
        tracks = [str(t.id) for t in analysis.tracks if t.person == person.id]
        spans = [
            f"{i.start_s:.2f}-{i.end_s:.2f}" for i in analysis.intervals if i.person == person.id
        ]
        table.add_row(label_of(person), f"{person.seconds:.2f}", _some(tracks), _some(spans))
    console.print(table)
    for entry in uncertain(analysis):
        command = mending_command(entry, shlex.quote(str(folder)))
        console.print(
            f"{in_words(entry)}: {command}", markup=False, highlight=False, soft_wrap=True
        )
    steps = History(folder).steps()
    if steps:
        said = f"{counted(len(steps), 'edit')}, the latest: {steps[-1]}"
        console.print(f"{said}; facetrack people undo {folder}", markup=False, highlight=False)


def show_json(analysis: Analysis, folder: Path) -> None:
    """Everything about the people in one line."""
    people = [
        {**asdict(p), "tracks": [t.id for t in analysis.tracks if t.person == p.id]}
        for p in analysis.people
    ]
    edits = History(folder).steps()
    told = {
        "folder": str(folder),
        "people": people,
        "uncertain": [asdict(entry) for entry in uncertain(analysis)],
        "edits": edits,
    }
    print(json.dumps(told, ensure_ascii=False))


def label_of(person: Person) -> str:
    """Number and name; how sure a gallery was of it."""
    sure = "" if person.confidence is None else f" {person.confidence:.2f}"
    return f"{person.id} {person.name}{sure}" if editing.is_named(person) else str(person.id)


def edited(out: Path, what: str, change: Callable[[Analysis], Analysis]) -> int:
    """Makes the edit and shows who there is now."""
    folder = analysis_folder(out)
    analysis = edit(folder, what, change)
    write_report(folder)
    show_people(analysis, folder)
    _say_what_stays(folder)
    return 0


def undone(out: Path) -> int:
    """Takes the latest edit back, and says which."""
    folder = analysis_folder(out)
    what, analysis = undo(folder)
    write_report(folder)
    show_people(analysis, folder)
    print(f"undone: {what}")
    _say_what_stays(folder)
    return 0


def forgot(out: Path, people: list[int], for_good: bool) -> None:
    """Says too where they still are."""
    folder = analysis_folder(out)
    before = Analysis.load(folder)
    what = f"forget {' '.join(map(str, people))}"
    after = edit(folder, what, lambda analysis: editing.forgotten(analysis, people))
    write_report(folder)
    show_people(after, folder)
    print(
        f"taken out of {folder}: {counted(len(before.faces) - len(after.faces), 'face')}, "
        f"{counted(len(before.embeddings) - len(after.embeddings), 'embedding')}, "
        f"{counted(len(before.thumbnails) - len(after.thumbnails), 'picture')}"
    )
    shown = clips_of(folder, people)
    if shown.of_people:
        print(f"clips of them are still there, delete them: {_some(shown.of_people)} in {folder}")
    if others := shown.clips - len(shown.of_people):
        print(f"{counted(others, 'other clip')} in {folder}/clips may show them")
    if joined := joined_in(folder):
        print(f"{joined} speaks of them; again with: facetrack people join {joined.parent}")
    print(f"the video shows them as before: {before.info.path}")
    if not for_good:
        print(
            "until it is erased, undo brings them back; to erase it: facetrack people forget "
            f"{folder} --for-good"
        )


def erased(out: Path) -> None:
    """Nothing before can be undone."""
    folder = analysis_folder(out)
    steps = History(folder).erase()
    print(f"erased for good: what undoing {counted(steps, 'edit')} of {folder} needed")


def with_thumbnails(analysis: Analysis) -> Analysis:
    """Pictures for those who have none, where the video is still there."""
    lacking = sorted(p.id for p in analysis.people if p.id not in analysis.thumbnails)
    try:
        return cut_thumbnails(analysis, lacking)
    except InputError as error:
        _warn(f"no new pictures of {', '.join(map(str, lacking))}: {error}")
        return analysis


def warn_of_two_at_once(analysis: Analysis, people: list[int]) -> None:
    """Those whom an edit makes one are most likely two."""
    for one, other in combinations(people, 2):
        both = editing.shared_intervals(analysis, one, other)
        if both:
            spans = _some([f"{i.start_s:.2f}-{i.end_s:.2f}" for i in both])
            _warn(f"{one} and {other} are on screen at the same time, {spans} s: one person?")


def _say_what_stays(folder: Path) -> None:
    if clips_of(folder, []).clips:
        print(f"clips made before are as they were; again with: facetrack render {folder}")
    if joined := joined_in(folder):
        print(f"{joined} is of before; again with: facetrack people join {joined.parent}")


def counted(n: int, what: str, several: str | None = None) -> str:
    """As ``3 faces``; ``several``: of what has no plain plural."""
    return f"{n} {what if n == 1 else several or what + 's'}"


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def _warn(line: str) -> None:
    print(f"facetrack: {line}", file=sys.stderr, flush=True)
