"""``facetrack gallery``: people with names, whom later runs recognise."""

from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug, Detector, GalleryFile, Recognizer, Weights, WithGallery
from facetrack.cli.terminal import visible
from facetrack.core.errors import UsageError

app = typer.Typer(
    help="People with names; `--gallery` of other commands recognises them.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of the person.")]


@app.command(cls=WithGallery)
def add(
    name: Name,
    photos: Annotated[
        list[Path], typer.Argument(help="Photos that show only this person.", metavar="PHOTO...")
    ],
    gallery: GalleryFile = None,
    detector: Detector = None,
    recognizer: Recognizer = None,
    weights: Weights = None,
    debug: Debug = False,
) -> int:
    """Add a person by one or more photos."""
    from facetrack.cli.config import load_settings
    from facetrack.cli.gallery_view import enrol

    settings = load_settings(
        None,
        {
            "detection": {"detector": detector},
            "identity": {"recognizer": recognizer, "weights": weights},
        },
    )
    return enrol(gallery, name, photos, settings.identity, settings.detection)


@app.command("list", cls=WithGallery)
def list_people(gallery: GalleryFile = None, debug: Debug = False) -> int:
    """List the people and their photos."""
    from facetrack.cli.gallery_view import show

    return show(gallery)


@app.command(cls=WithGallery)
def remove(name: Name, gallery: GalleryFile = None, debug: Debug = False) -> int:
    """Remove a person."""
    from facetrack.cli.gallery_view import remove

    return remove(gallery, name)


@app.command(cls=WithGallery)
def export(
    file: Annotated[Path, typer.Argument(help="JSON file to write.")],
    name: Annotated[str | None, typer.Option("--name", help="Only this person.")] = None,
    gallery: GalleryFile = None,
    debug: Debug = False,
) -> int:
    """Write all data of all people, or of one person, as JSON."""
    from facetrack.cli.gallery_view import export

    return export(gallery, file, name)


@app.command(cls=WithGallery)
def delete(
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    gallery: GalleryFile = None,
    debug: Debug = False,
) -> int:
    """Delete the whole gallery."""
    from facetrack.cli.gallery_view import delete, existing

    path = existing(gallery)
    if not yes and not typer.confirm(f"Delete {visible(path)} and everybody in it?"):
        raise UsageError("nothing was deleted")
    return delete(path)
