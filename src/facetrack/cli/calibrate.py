"""``facetrack calibrate``: how far a recogniser's cosines can be trusted, by photos."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetrack.cli.options import Debug

if TYPE_CHECKING:
    from rich.table import Table

    from facetrack.evaluation.calibration_report import Report


def calibrate(
    photos: Annotated[
        Path,
        typer.Argument(
            help="Folder with a folder of photos for each person, or with labels.csv "
            "(file, identity, group)."
        ),
    ],
    recognizer: Annotated[
        str, typer.Option(help="FILE.onnx of a face embedder, or sface or facenet to see theirs.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; by default FILE.json beside FILE.onnx."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line on standard output.")] = False,
    debug: Debug = False,
) -> None:
    """Fit a recogniser's calibration to labelled photos, and test it on other people."""
    from facetrack.evaluation.calibrating import calibrate_recognizer

    made = calibrate_recognizer(photos, recognizer, out)
    if json:
        line = {
            "recognizer": made.name,
            "written": str(made.written) if made.written else None,
            "photos": made.photos,
            "calibration": made.calibration.to_dict(),
            "report": made.report.to_dict(),
        }
        print(jsonlib.dumps(line))
        return
    from facetrack.cli.terminal import Terminal

    console = Terminal()
    console.print(_table(f"{made.name}: people not used for the fit", made.report))
    console.print(_reliability_table(made.report))
    if made.written:
        console.print(f"wrote {made.written}", highlight=False, soft_wrap=True)
    else:
        console.print(f"{made.calibration}", highlight=False, soft_wrap=True)


def _table(title: str, report: "Report") -> "Table":
    from rich.table import Table

    table = Table(title=title)
    table.add_column("pairs of")
    table.add_column("group")
    for column in ("same", "different", "false joins", "missed", "found at 0.1 %", "equal error"):
        table.add_column(column, justify="right")
    for row in report.rows:
        shares = (row.joined, row.missed, row.found, row.equal_error)
        table.add_row(
            row.what,
            row.group,
            f"{row.same}",
            f"{row.different}",
            *(f"{share:.2%}" for share in shares),
        )
    return table


def _reliability_table(report: "Report") -> "Table":
    from rich.table import Table

    table = Table(title=f"predicted and true probability; mean difference {report.error:.3f}")
    for column in ("probability", "share of pairs", "predicted", "true"):
        table.add_column(column, justify="right")
    for one in report.bins:
        table.add_row(
            f"{one.low:.1f} to {one.high:.1f}",
            f"{one.share:.2%}",
            f"{one.said:.3f}",
            f"{one.true:.3f}",
        )
    return table
