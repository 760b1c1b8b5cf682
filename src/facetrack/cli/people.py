"""``facetrack people``: lists the people of an analysis and corrects them."""

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
    Path,
    typer.Argument(
        help="Folder of an analysis, or a folder that holds only one.", metavar="FOLDER"
    ),
]
Number = Annotated[int, typer.Argument(help="A person's number.")]
Json = Annotated[bool, typer.Option("--json", help="Print the people as one JSON line.")]


@app.command("list")
def list_people(out: Out, json: Json = False, debug: Debug = False) -> int:
    """List the people, with their faces if the terminal can show them."""
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
    name: Annotated[str, typer.Argument(help="Name of the person.")],
    debug: Debug = False,
) -> int:
    """Name a person; --target accepts the name."""
    from facetrack.cli.people_view import edited
    from facetrack.identity import editing

    return edited(out, f"name {person} {name}", lambda a: editing.named(a, person, name))


@app.command("merge")
def merge_people(
    out: Out,
    person: Annotated[int, typer.Argument(help="Number that stays.")],
    others: Annotated[list[int], typer.Argument(help="Numbers of people who are the same person.")],
    debug: Debug = False,
) -> int:
    """Merge several people into one."""
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
    track: Annotated[
        list[int],
        typer.Option("--track", help="Track of the new person; may be given several times."),
    ],
    debug: Debug = False,
) -> int:
    """Move some tracks of a person to a new person."""
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
        typer.Option(
            "--for-good", help="Also delete what undo needs, of this edit and all earlier ones."
        ),
    ] = False,
    debug: Debug = False,
) -> int:
    """Remove people's faces, embeddings and thumbnails from the folder."""
    from facetrack.cli.people_view import erased, forgot

    if not people and not for_good:
        raise UsageError("no person is given: facetrack people forget FOLDER PERSON...")
    if people:
        forgot(out, people, for_good)
    if for_good:
        erased(out)
    return 0


@app.command("undo")
def undo_edit(out: Out, debug: Debug = False) -> int:
    """Undo the latest edit; again, the one before it."""
    from facetrack.cli.people_view import undone

    return undone(out)


@app.command("join")
def join_videos(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of analyses, or folders that hold several.", metavar="FOLDER..."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Folder of people.json; by default the folder above them."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Cosine from which people of two videos are one person, -1 to 1; by default a "
            "probability of 0.8 decides."
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Give the same person the same number in several analyses, and write people.json."""
    from facetrack.cli.join_view import join_analyses
    from facetrack.core.settings import require

    if threshold is not None:
        require(-1 < threshold < 1, "threshold", threshold, "between -1 and 1")
    return join_analyses(folders, out, threshold)
