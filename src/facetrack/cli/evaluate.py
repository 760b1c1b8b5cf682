"""``facetrack evaluate``: compares an analysis with the truth."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetrack.cli.options import Debug

if TYPE_CHECKING:
    from rich.table import Table

    from facetrack.evaluation.evaluate import Evaluation
    from facetrack.evaluation.scores import Scores
    from facetrack.timeline import Analysis

SHARES = {
    "idf1": "IDF1",
    "mota": "MOTA",
    "hota": "HOTA",
    "purity": "purity",
    "coverage": "coverage",
}
COUNTS = {"switches": "swaps", "missed": "missed", "extra": "extra"}
"""Score -> its name in the table."""


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder that an analysis made.")],
    truth: Annotated[
        Path,
        typer.Option(
            help="The true boxes and identities: MOTChallenge text, or faces as .parquet or .csv.",
            metavar="FILE",
        ),
    ],
    thresholds: Annotated[
        bool,
        typer.Option("--thresholds", help="Also the scores at other probabilities, or cosines."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line on standard output.")] = False,
    debug: Debug = False,
) -> None:
    """Compare an analysis with the truth: IDF1, MOTA, HOTA, purity and coverage."""
    from facetrack.evaluation.evaluate import evaluate
    from facetrack.timeline import Analysis

    analysis = Analysis.load(folder)
    found = evaluate(analysis, truth, thresholds=thresholds)
    if json:
        line = {"video": str(analysis.info.path), "out": str(folder), "truth": str(truth)}
        print(jsonlib.dumps(line | found.to_dict()))
    else:
        _show(analysis, found)


def _show(analysis: "Analysis", found: "Evaluation") -> None:
    from facetrack.cli.terminal import Terminal

    console = Terminal()
    title = (
        f"{analysis.info.path.name}: {found.frames} frames, {found.people} people in the truth, "
        f"{len(analysis.people)} found"
    )
    rows = [("person", found.by_person), ("track", found.by_track)]
    console.print(_table(title, "by", SHARES | COUNTS, rows))
    for line in _mixed(found):
        console.print(line, highlight=False, soft_wrap=True)
    if found.left_out:
        console.print(f"{found.left_out} true boxes are in frames that were not analysed")
    if found.thresholds:
        by = "cosine" if found.thresholds[0].probability is None else "probability"
        others = [
            (f"{t.probability or t.threshold:.2f}: {t.people} people", t.scores)
            for t in found.thresholds
        ]
        columns = SHARES | {"switches": COUNTS["switches"]}
        console.print(_table(f"by person, from another {by} on", by, columns, others))


def _table(
    title: str, first: str, columns: dict[str, str], rows: "list[tuple[str, Scores]]"
) -> "Table":
    from rich.table import Table

    table = Table(title=title)
    table.add_column(first)
    for column in columns.values():
        table.add_column(column, justify="right")
    for name, scores in rows:
        values = [getattr(scores, column) for column in columns]
        table.add_row(name, *(str(v) if isinstance(v, int) else f"{v:.3f}" for v in values))
    return table


def _mixed(found: "Evaluation") -> list[str]:
    """A line for each found person who is several true people, and for each true person who was
    found as several."""
    lines = []
    for kind, other, mine, theirs in (("person", "truth", 1, 0), ("truth", "person", 0, 1)):
        for id in sorted({pair[mine] for pair in found.pairs}):
            parts = sorted((p for p in found.pairs if p[mine] == id), key=lambda p: -p[2])
            if len(parts) > 1:
                shown = ", ".join(f"{other} {p[theirs]} for {p[2]:.2f} s" for p in parts)
                lines.append(f"{kind} {id} is {shown}")
    return lines
