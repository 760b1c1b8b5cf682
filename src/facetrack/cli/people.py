"""``facetrack people``: who is in an analysis, and corrections of it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facetrack.cli.options import Debug
from facetrack.core.errors import UsageError


class ListByDefault(TyperGroup):
    """``people OUT`` is ``people list OUT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ListByDefault,
    help="List and correct the people of an analysis: facetrack people FOLDER, or a command.",
    no_args_is_help=True,
)

Out = Annotated[
    Path, typer.Argument(help="Folder of one video, or one that holds just that.", metavar="FOLDER")
]
Number = Annotated[int, typer.Argument(help="A person's number.")]
Json = Annotated[bool, typer.Option("--json", help="The people as one JSON line.")]


@app.command("list")
def list_people(out: Out, json: Json = False, debug: Debug = False) -> int:
    """Show the people, with their faces where the terminal can."""
    from facetrack.cli.people_view import show_json, show_people
    from facetrack.identity.folder import analysis_folder
    from facetrack.timeline import Analysis

    folder = analysis_folder(out)
    (show_json if json else show_people)(Analysis.load(folder), folder)
    return 0


@app.command("name")
def name_person(
    out: Out,
    person: Number,
    name: Annotated[str, typer.Argument(help="What the person is called.")],
    debug: Debug = False,
) -> int:
    """Call a person by a name; --target finds them by it."""
    from facetrack.cli.people_view import edited
    from facetrack.identity import editing

    return edited(out, f"name {person} {name}", lambda a: editing.named(a, person, name))


@app.command("merge")
def merge_people(
    out: Out,
    person: Annotated[int, typer.Argument(help="Who keeps the number.")],
    others: Annotated[list[int], typer.Argument(help="Who are that person too.")],
    debug: Debug = False,
) -> int:
    """Make one person of several."""
    from facetrack.cli.people_view import edited, warn_of_two_at_once
    from facetrack.identity import editing

    what = f"merge {person} {' '.join(map(str, others))}"

    def merge(analysis: Any) -> Any:
        found = editing.merged(analysis, person, others)
        warn_of_two_at_once(analysis, [person, *others])
        return found

    return edited(out, what, merge)


@app.command("split")
def split_person(
    out: Out,
    person: Number,
    track: Annotated[list[int], typer.Option("--track", help="Of somebody else; several times.")],
    debug: Debug = False,
) -> int:
    """Make a new person of some of a person's tracks."""
    from facetrack.cli.people_view import edited, with_thumbnails
    from facetrack.identity import editing

    what = f"split {person} {' '.join(f'--track {t}' for t in track)}"
    return edited(out, what, lambda a: with_thumbnails(editing.split(a, person, track)))


@app.command("forget")
def forget_people(
    out: Out,
    people: Annotated[
        list[int] | None, typer.Argument(help="Numbers of people.", metavar="[PERSON]...")
    ] = None,
    for_good: Annotated[
        bool,
        typer.Option("--for-good", help="Erase what undo needs, of this and of all edits before."),
    ] = False,
    debug: Debug = False,
) -> int:
    """Take people's faces, embeddings and pictures out of the folder."""
    from facetrack.cli.people_view import erased, forgot

    if not people and not for_good:
        raise UsageError("say whom to forget: facetrack people forget FOLDER PERSON...")
    if people:
        forgot(out, people, for_good)
    if for_good:
        erased(out)
    return 0


@app.command("undo")
def undo_edit(out: Out, debug: Debug = False) -> int:
    """Take the latest edit back; again, the one before."""
    from facetrack.cli.people_view import undone

    return undone(out)


@app.command("join")
def join_videos(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of one video, or of all.", metavar="FOLDER..."),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where people.json goes; unset: above them.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Cosine that makes one person of two videos, -1 to 1; unset: a probability of 0.8."
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Number people alike over several analyses, and write people.json."""
    from facetrack.cli.join_view import join_analyses
    from facetrack.core.settings import require

    if threshold is not None:
        require(-1 < threshold < 1, "threshold", threshold, "between -1 and 1")
    return join_analyses(folders, out, threshold)
