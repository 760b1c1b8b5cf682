"""Output of ``facetrack people``: the people, and a summary after an edit."""

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from rich.table import Table

from facetrack.cli.faces import draw_faces
from facetrack.cli.terminal import Terminal, say, warn
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
"""Maximum number of intervals and of tracks of a person in the table; --json has all."""


def show_people(analysis: Analysis, folder: Path) -> None:
    """Draws the faces if the terminal can, and prints a table of the people."""
    console = Terminal()
    draw_faces(console, [(label_of(p), analysis.thumbnails.get(p.id)) for p in analysis.people])
    table = Table(
        title=f"{analysis.info.path.name}: {counted(len(analysis.people), 'person', 'people')}"
    )
    for column in ("person", "seconds", "tracks", "on screen"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for person in analysis.people:
        tracks = [str(t.id) for t in analysis.tracks if t.person == person.id]
        times = [
            f"{i.start_s:.2f}-{i.end_s:.2f}" for i in analysis.intervals if i.person == person.id
        ]
        table.add_row(label_of(person), f"{person.seconds:.2f}", _some(tracks), _some(times))
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
    """Prints everything about the people as one JSON line."""
    people = [
        {**asdict(p), "tracks": [t.id for t in analysis.tracks if t.person == p.id]}
        for p in analysis.people
    ]
    edits = History(folder).steps()
    line = {
        "folder": str(folder),
        "people": people,
        "uncertain": [asdict(entry) for entry in uncertain(analysis)],
        "edits": edits,
    }
    print(json.dumps(line))


def label_of(person: Person) -> str:
    """Number and name, and the probability of the name if a gallery gave it."""
    probability = "" if person.confidence is None else f" {person.confidence:.2f}"
    return f"{person.id} {person.name}{probability}" if editing.is_named(person) else str(person.id)


def edited(out: Path, what: str, change: Callable[[Analysis], Analysis]) -> int:
    """Makes the edit and shows the people after it."""
    folder = analysis_folder(out)
    analysis = edit(folder, what, change)
    write_report(folder)
    show_people(analysis, folder)
    _say_what_stays(folder)
    return 0


def undone(out: Path) -> int:
    """Undoes the latest edit, shows the people, and prints which edit it was."""
    folder = analysis_folder(out)
    what, analysis = undo(folder)
    write_report(folder)
    show_people(analysis, folder)
    say(f"undone: {what}")
    _say_what_stays(folder)
    return 0


def forgot(out: Path, people: list[int], for_good: bool) -> None:
    """Forgets people, and prints where they can still be seen."""
    folder = analysis_folder(out)
    before = Analysis.load(folder)
    what = f"forget {' '.join(map(str, people))}"
    after = edit(folder, what, lambda analysis: editing.forgotten(analysis, people))
    write_report(folder)
    show_people(after, folder)
    say(
        f"removed from {folder}: {counted(len(before.faces) - len(after.faces), 'face')}, "
        f"{counted(len(before.embeddings) - len(after.embeddings), 'embedding')}, "
        f"{counted(len(before.thumbnails) - len(after.thumbnails), 'thumbnail')}"
    )
    shown = clips_of(folder, people)
    if shown.of_people:
        say(f"clips that show them still exist; delete them: {_some(shown.of_people)} in {folder}")
    if others := shown.clips - len(shown.of_people):
        say(f"{counted(others, 'other clip')} in {folder}/clips may show them")
    if joined := joined_in(folder):
        say(f"{joined} still names them; update it with: facetrack people join {joined.parent}")
    say(f"the video still shows them: {before.info.path}")
    if not for_good:
        say(
            "undo can bring them back until its data is erased; to erase it: "
            f"facetrack people forget {folder} --for-good"
        )


def erased(out: Path) -> None:
    """Erases what undo needs, and prints how many edits that affects."""
    folder = analysis_folder(out)
    steps = History(folder).erase()
    say(f"erased for good: what undoing {counted(steps, 'edit')} of {folder} needed")


def with_thumbnails(analysis: Analysis) -> Analysis:
    """Makes the missing thumbnails, if the video still exists."""
    lacking = sorted(p.id for p in analysis.people if p.id not in analysis.thumbnails)
    try:
        return cut_thumbnails(analysis, lacking)
    except InputError as error:
        warn(f"no new thumbnails of {', '.join(map(str, lacking))}: {error}")
        return analysis


def warn_of_two_at_once(analysis: Analysis, people: list[int]) -> None:
    """Warns when people who become one are on screen at the same time: they are probably two."""
    for one, other in combinations(people, 2):
        both = editing.shared_intervals(analysis, one, other)
        if both:
            times = _some([f"{i.start_s:.2f}-{i.end_s:.2f}" for i in both])
            warn(f"{one} and {other} are on screen at the same time, {times} s: one person?")


def _say_what_stays(folder: Path) -> None:
    if clips_of(folder, []).clips:
        say(f"earlier clips are unchanged; make them again with: facetrack render {folder}")
    if joined := joined_in(folder):
        say(
            f"{joined} is older than this edit; update it with: "
            f"facetrack people join {joined.parent}"
        )


def counted(n: int, what: str, several: str | None = None) -> str:
    """A number with its noun, as ``3 faces``; ``several`` is the plural if it is irregular."""
    return f"{n} {what if n == 1 else several or what + 's'}"


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
