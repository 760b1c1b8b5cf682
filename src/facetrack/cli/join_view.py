"""``facetrack people join``: one number for each person over several videos, and a table."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from facetrack.cli.faces import draw_faces
from facetrack.cli.people_view import counted
from facetrack.cli.terminal import Terminal, warn
from facetrack.core.errors import FacetrackError, InputError
from facetrack.identity.folder import analysis_folders
from facetrack.identity.joining import join_folders
from facetrack.identity.people_file import PEOPLE_FILE, inside
from facetrack.report import write_report
from facetrack.timeline import Analysis


def join(folders: Sequence[Path], out: Path, threshold: float | None, quiet: bool) -> None:
    """Calls ``join_folders`` and writes the reports; prints a table unless ``quiet``."""
    numbers = join_folders(folders, out, threshold)
    for folder in folders:
        write_report(folder)
    if not quiet:
        _show(folders, out, numbers)


def join_analyses(given: Sequence[Path], out: Path | None, threshold: float | None) -> int:
    """Joins the analyses in these folders; an unreadable one does not stop the others.

    Returns the exit code: that of the first folder that could not be read.
    """
    folders = [
        folder
        for place in given
        for folder in (
            [place] if (place / "timeline.json").is_file() else analysis_folders(place) or [place]
        )
    ]
    code, readable = 0, []
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        try:
            Analysis.load(folder)
            readable.append(folder)
        except FacetrackError as error:
            warn(error)
            code = code or error.exit_code
    if not readable:
        raise InputError("no folder holds an analysis; nothing is joined")
    out = out or Path(os.path.commonpath([folder.parent for folder in readable]))
    out.mkdir(parents=True, exist_ok=True)
    join(readable, out, threshold, quiet=False)
    return code


def _show(folders: Sequence[Path], out: Path, numbers: Sequence[dict[int, int]]) -> None:
    people = json.loads((out / PEOPLE_FILE).read_text("utf-8"))["people"]
    console = Terminal()
    faces = [
        (f"{p['id']} {p['name']}", (out / p["thumbnail"]).read_bytes() if p["thumbnail"] else None)
        for p in people
    ]
    draw_faces(console, faces)
    there = counted(len(people), "person", "people")
    table = Table(title=f"{there} in {counted(len(folders), 'video')}")
    for column in ("person", "name", "seconds", "where"):
        table.add_column(column, justify="right" if column in ("person", "seconds") else "left")
    was = {
        (inside(out, folder), new): [old for old, n in number.items() if n == new]
        for folder, number in zip(folders, numbers, strict=True)
        for new in number.values()
    }
    for p in people:
        where = [
            f"{v['folder']} {v['seconds']:.2f} s"
            + f" (was {' and '.join(map(str, was[(v['folder'], p['id'])]))})"
            + ("" if v["probability"] is None else f", probability {v['probability']:.2f}")
            for v in p["videos"]
        ]
        table.add_row(str(p["id"]), p["name"], f"{p['seconds']:.2f}", "\n".join(where))
    console.print(table)
    console.print(f"written: {out / PEOPLE_FILE}", highlight=False, markup=False)
