"""``facetrack export`` and ``facetrack report``: files made of a finished analysis."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug, Folders
from facetrack.exports.registry import OUR_FORMATS


def export(
    folders: Folders,
    format: Annotated[
        str,
        typer.Option(
            "-f",
            "--format",
            help=f"{', '.join(OUR_FORMATS)}, or a format that an installed package adds.",
            metavar="FORMAT",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="File, of one folder; else exports/<video> in each.", metavar="FILE"
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Write analyses in a format that other tools read."""
    from facetrack.cli.terminal import say, warn
    from facetrack.core.errors import FacetrackError, UsageError
    from facetrack.core.folder_lock import locked
    from facetrack.core.received_files import check_folder
    from facetrack.exports.registry import export, exporter_of
    from facetrack.timeline import Analysis

    if out is not None and len(folders) != 1:
        raise UsageError(f"-o {out} is one file; give one folder, or leave -o out")
    suffix = exporter_of(format).suffix
    code = 0
    for folder in folders:
        try:
            analysis = Analysis.load(folder)
            name = analysis.info.path.stem + suffix
            # With the lock, as its holder removes incomplete files in the folder.
            with locked(folder, brief=True) if out is None else nullcontext():
                if out is None:
                    check_folder(folder, "exports")
                say(export(analysis, format, out or folder / "exports" / name))
        except UsageError:
            raise
        except FacetrackError as error:
            warn(error)
            code = code or error.exit_code
    return code


def report(folders: Folders, debug: Debug = False) -> int:
    """Write report.html of analyses again, and print its path."""
    from facetrack.cli.terminal import say
    from facetrack.identity.folder import analysis_folder
    from facetrack.report import write_report

    for folder in folders:
        say(write_report(analysis_folder(folder)))
    return 0
