"""``facetrack verify``: checks the files of results, and makes missing ones again."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug


def verify(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of results, or folders that hold several.", metavar="OUT..."),
    ],
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make what is missing or damaged again, from the video."),
    ] = False,
    video: Annotated[
        Path | None, typer.Option(help="Where the video of the only folder is now.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each folder.")] = False,
    debug: Debug = False,
) -> int:
    """Compare every file of results with the hashes kept with them, and decode every clip."""
    from facetrack.api.repair import Repaired
    from facetrack.api.repair import repair as make_again
    from facetrack.api.verify import verify as check
    from facetrack.cli.people_view import counted
    from facetrack.cli.terminal import say, warn
    from facetrack.core.errors import FacetrackError, InputError, UsageError

    places = [place for folder in folders for place in _results(folder)]
    if video is not None and len(places) != 1:
        raise UsageError(f"--video {video} belongs to one folder; give only that one")
    code = 0
    for place in places:
        try:
            found = check(place)
            repaired = Repaired()
            if repair and found.bad:
                repaired = make_again(place, found.bad, video)
                found = repaired.left or found
        except FacetrackError as error:
            warn(error)
            code = code or error.exit_code
            continue
        code = code or (InputError.exit_code if found.bad else 0)
        if json:
            line = {"folder": str(place), **asdict(found), "repaired": repaired.made}
            print(jsonlib.dumps(line), flush=True)
        else:
            for name in repaired.made:
                say(f"{place}: made again: {name}")
            for finding in found.findings:
                say(f"{place}: {finding}")
            counts = f"{counted(found.files, 'file')}, {counted(found.clips, 'clip')}"
            say(f"{place}: {counts}: {_summary(len(found.bad), place, repair)}")
        for problem in repaired.problems:
            warn(problem)
    return code


def _results(folder: Path) -> list[Path]:
    """The folder itself if it is a result, else those in it."""
    from facetrack.core.errors import InputError
    from facetrack.timeline.checksums import CHECKSUMS
    from facetrack.timeline.rendered import RENDERS

    names = ("timeline.json", CHECKSUMS, RENDERS)
    if any((folder / name).is_file() for name in names):
        return [folder]
    found = sorted({file.parent for name in names for file in folder.glob(f"*/{name}")})
    found = [place for place in found if not place.is_symlink()]
    if not found:
        raise InputError(f"{folder} holds no result; make one with: facetrack run")
    return found


def _summary(bad: int, place: Path, repair: bool) -> str:
    if not bad:
        return "all whole"
    hint = "" if repair else f"; make them again with: facetrack verify {place} --repair"
    return f"{bad} missing or damaged{hint}"
