"""``facetrack status OUT``: what is done in an output folder, and what went wrong."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from facetrack.cli.people_view import counted
from facetrack.cli.terminal import say
from facetrack.core.errors import InputError
from facetrack.jobs.table import TABLE, FilmRow, JobTable

MAX_SHOWN = 200
"""Videos that the table lists; JSON has them all."""


def show_status(out: Path, as_json: bool) -> int:
    """Prints the videos of an output folder; gives 0, or 1 where one failed.

    Raises:
        InputError: when nothing was run there.
    """
    if not (out / TABLE).exists():
        raise InputError(f"{out}: no run has begun here; begin one with: facetrack run -o {out}")
    with JobTable(out) as table:
        films = table.films()
    if as_json:
        for film in films:
            say(json.dumps(asdict(film)))
    else:
        _show(out, films)
    return int(any(film.state == "failed" for film in films))


def _show(out: Path, films: list[FilmRow]) -> None:
    states = Counter(film.state for film in films)
    for film in films[:MAX_SHOWN]:
        say(_line(film))
    if len(films) > MAX_SHOWN:
        say(f"and {len(films) - MAX_SHOWN} more; --json lists all")
    parts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    say(f"{counted(len(films), 'video')} in {out}: {parts or 'none begun'}")


def _line(film: FilmRow) -> str:
    name = Path(film.path).name
    if film.state == "done":
        speed = film.frames / film.seconds if film.seconds > 0 else 0
        return f"done     {name}  {film.frames} frames, {film.seconds:.1f} s, {speed:.0f} frames/s"
    tried = "" if film.attempts == 1 else f", tried {film.attempts} times"
    if film.state == "failed":
        return f"failed   {name}  {film.error}{tried}"
    return f"in work  {name}  {film.chunks_kept} of {film.chunks} parts are done{tried}"
