"""``facetrack export`` and ``facetrack report``: files made from finished analyses."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facetrack.cli.options import Debug, Folders


class Format(StrEnum):
    """The formats of ``facetrack.exports.registry``, which is too slow to import for --help."""

    csv = "csv"
    parquet = "parquet"
    json_lines = "json-lines"
    mot = "mot"
    coco = "coco"
    webvtt = "webvtt"
    srt = "srt"
    otio = "otio"
    edl = "edl"
    fcpxml = "fcpxml"


def export(
    folders: Folders,
    format: Annotated[Format, typer.Option("-f", "--format", help="What to write.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="File, for one folder; by default exports/<video> in each folder.",
            metavar="FILE",
        ),
    ] = None,
    debug: Debug = False,
) -> int:
    """Write analyses in a format that other tools read."""
    from facetrack.core.errors import FacetrackError, UsageError
    from facetrack.exports.registry import FORMATS, export
    from facetrack.timeline import Analysis

    if out is not None and len(folders) != 1:
        raise UsageError(f"-o {out} is one file; give one folder, or no -o")
    code = 0
    for folder in folders:
        try:
            analysis = Analysis.load(folder)
            name = analysis.info.path.stem + FORMATS[format].suffix
            print(export(analysis, format, out or folder / "exports" / name))
        except UsageError:
            raise
        except FacetrackError as error:
            print(f"facetrack: {error}", file=sys.stderr)
            code = code or error.exit_code
    return code


def report(folders: Folders, debug: Debug = False) -> int:
    """Write report.html of analyses again, and print its path."""
    from facetrack.identity.folder import analysis_folder
    from facetrack.report import write_folder_report

    for folder in folders:
        print(write_folder_report(analysis_folder(folder)))
    return 0
