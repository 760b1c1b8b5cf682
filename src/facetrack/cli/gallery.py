"""``facetrack gallery``: the people who are known in every run that asks for them."""

from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug, Detector, GalleryFile, Recognizer, Weights, WithGallery
from facetrack.core.errors import UsageError

app = typer.Typer(help="Known people, whom --gallery names elsewhere.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What the person is called.")]


@app.command(cls=WithGallery)
def add(
    name: Name,
    photos: Annotated[
        list[Path], typer.Argument(help="Pictures of that person alone.", metavar="PHOTO...")
    ],
    gallery: GalleryFile = None,
    detector: Detector = None,
    recognizer: Recognizer = None,
    weights: Weights = None,
    debug: Debug = False,
) -> int:
    """Know a person by one or more photos."""
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
    """Show who is known, by which photos."""
    from facetrack.cli.gallery_view import show

    return show(gallery)


@app.command(cls=WithGallery)
def remove(name: Name, gallery: GalleryFile = None, debug: Debug = False) -> int:
    """Know a person no more."""
    from facetrack.cli.gallery_view import remove

    return remove(gallery, name)


@app.command(cls=WithGallery)
def export(
    file: Annotated[Path, typer.Argument(help="JSON file to write.")],
    name: Annotated[str | None, typer.Option("--name", help="Of this person alone.")] = None,
    gallery: GalleryFile = None,
    debug: Debug = False,
) -> int:
    """Write everything that is held about everybody, or about one person."""
    from facetrack.cli.gallery_view import export

    return export(gallery, file, name)


@app.command(cls=WithGallery)
def delete(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    gallery: GalleryFile = None,
    debug: Debug = False,
) -> int:
    """Delete the whole gallery."""
    from facetrack.cli.gallery_view import delete, existing

    path = existing(gallery)
    if not yes and not typer.confirm(f"Delete {path} and everybody in it?"):
        raise UsageError("nothing was deleted")
    return delete(path)
