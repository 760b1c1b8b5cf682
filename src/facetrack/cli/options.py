"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

GALLERY = "--gallery"
GALLERY_SUFFIXES = (".sqlite", ".db")

Folders = Annotated[
    list[Path], typer.Argument(help="Folders that an analysis made.", metavar="FOLDER...")
]
Detector = Annotated[
    str | None,
    typer.Option(
        help="Network that detects faces: mtcnn, yunet, or auto (the better one for the device)."
    ),
]
Recognizer = Annotated[
    str | None,
    typer.Option(
        help="Network that tells people apart: sface (the default), facenet, vggface2 with "
        "--weights, an ONNX file that `facetrack calibrate` was run on, or one that an installed "
        "package adds.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weight file for vggface2.")]
GalleryFile = Annotated[
    Path | None,
    typer.Option(
        GALLERY,
        metavar="[FILE]",
        help="Name the people of this gallery; without a file, of the user's own gallery.",
    ),
]
AllowUrls = Annotated[
    bool,
    typer.Option(
        "--allow-urls",
        callback=lambda given: _allow("urls", given),
        help="Fetch videos, and what playlists name, by http and https.",
    ),
]
AllowPlaylists = Annotated[
    bool,
    typer.Option(
        "--allow-playlists",
        callback=lambda given: _allow("playlists", given),
        help="Read the files that playlists name (HLS, DASH, ffconcat).",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON line for each video on standard output.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]


def _allow(permission: str, given: bool) -> bool:
    if given:
        from facetrack.media.opening import allow

        allow(permission)
    return given


class WithGallery(TyperCommand):
    """A command whose ``--gallery`` may stand without a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, filled_in(args))


def filled_in(args: list[str]) -> list[str]:
    """Arguments in which ``--gallery`` has the default file if no gallery follows it."""
    from facetrack.identity.gallery import default_gallery

    end = args.index("--") if "--" in args else len(args)
    return [
        f"{GALLERY}={default_gallery()}"
        if arg == GALLERY and i < end and not _is_gallery(args[i + 1 : i + 2])
        else arg
        for i, arg in enumerate(args)
    ]


def _is_gallery(following: list[str]) -> bool:
    """Whether the next argument is a gallery's file, and not a video or an option."""
    if not following or following[0].startswith("-"):
        return False
    path = Path(following[0])
    if path.suffix in GALLERY_SUFFIXES:
        return True
    if not path.is_file():  # a FIFO would be waited for
        return False
    try:
        with path.open("rb") as file:
            return file.read(15) == b"SQLite format 3"
    except OSError:
        return False
