"""``--gallery [FILE]``: the option of commands that may name known people."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

OPTION = "--gallery"
SUFFIXES = (".sqlite", ".db")

GalleryFile = Annotated[
    Path | None,
    typer.Option(
        OPTION,
        metavar="[FILE]",
        help="Name people whom the gallery knows; without a file, the user's own gallery.",
    ),
]


class WithGallery(TyperCommand):
    """The option's file may be left out; a video after it is no gallery."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, filled_in(args))


def filled_in(args: list[str]) -> list[str]:
    """``--gallery`` with the default file where none follows."""
    from facetrack.identity.gallery import default_gallery

    end = args.index("--") if "--" in args else len(args)
    return [
        f"{OPTION}={default_gallery()}"
        if arg == OPTION and i < end and not _is_gallery(args[i + 1 : i + 2])
        else arg
        for i, arg in enumerate(args)
    ]


def _is_gallery(following: list[str]) -> bool:
    if not following or following[0].startswith("-"):
        return False
    path = Path(following[0])
    if path.suffix in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(15) == b"SQLite format 3"
    except OSError:
        return False
