"""``facetrack export``: analyses in formats that other tools read."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Folders = Annotated[
    list[Path], typer.Argument(help="Folders that an analysis made.", metavar="FOLDER...")
]


class Format(StrEnum):
    """Of ``facetrack.exports.registry``, which loads too much to be asked for a help text."""

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
            "-o", "--out", help="File, of one folder; else exports/<video> in each.", metavar="FILE"
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails.")
    ] = False,
) -> int:
    """Write analyses in a format that other tools read."""
    from facetrack.core.errors import FacetrackError, UsageError
    from facetrack.exports.registry import FORMATS, export
    from facetrack.timeline import Analysis

    if out is not None and len(folders) != 1:
        raise UsageError(f"-o {out} is one file; give one folder, or leave -o out")
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
