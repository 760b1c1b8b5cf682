"""``facetrack report``: writes the page of finished analyses anew."""

from pathlib import Path
from typing import Annotated

import typer

Folders = Annotated[
    list[Path], typer.Argument(help="Folders that an analysis made.", metavar="FOLDER...")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]


def report(folders: Folders, debug: Debug = False) -> int:
    """Write report.html of analyses anew, and say where it is."""
    from facetrack.identity.folder import analysis_folder
    from facetrack.report import write_folder_report

    for folder in folders:
        print(write_folder_report(analysis_folder(folder)))
    return 0
