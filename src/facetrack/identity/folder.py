"""Corrections of an analysis where it lies: each a step that can be undone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facetrack.core.errors import InputError, UsageError
from facetrack.identity.uncertain import uncertain
from facetrack.timeline import Analysis
from facetrack.timeline.history import History


def analysis_folder(out: Path) -> Path:
    """``out``, or the only folder in it that holds an analysis.

    Raises:
        InputError: when there is none.
        UsageError: when there are several.
    """
    found = [out] if (out / "timeline.json").is_file() else analysis_folders(out)
    if not found:
        raise InputError(f"{out} holds no analysis; make one with: facetrack analyze")
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found[:8])
        raise UsageError(f"{out} holds {len(found)} analyses ({names}); name one of them")
    return found[0]


def analysis_folders(out: Path) -> list[Path]:
    """Those in ``out`` that hold an analysis, by name."""
    return sorted(timeline.parent for timeline in out.glob("*/timeline.json"))


def edit(folder: Path, what: str, change: Callable[[Analysis], Analysis]) -> Analysis:
    """The folder holds what ``change`` makes of it; all of it, or as before when something fails.

    Args:
        what: says the change where it is undone.
    """
    edited: list[Analysis] = []

    def write(new: Path) -> None:
        changed = change(Analysis.load(folder))
        edited.append(replace(changed, uncertain=uncertain(changed)))
        edited[0].save(new)

    History(folder).change(what, write)
    return edited[0]


def undo(folder: Path) -> tuple[str, Analysis]:
    """What was undone, and the analysis as it is again."""
    what = History(folder).undo()
    return what, Analysis.load(folder)


@dataclass(frozen=True)
class Shown:
    """What is left of clips that were made before an edit."""

    clips: int
    of_people: list[str]
    """Paths in the folder of those that are known to show somebody of the people asked for."""


def clips_of(folder: Path, people: list[int]) -> Shown:
    """``crops.parquet`` says whom they show; clips of earlier runs may show anybody."""
    files = [p for p in (folder / "clips").rglob("*") if p.suffix in (".mp4", ".mov")]
    shown: list[str] = []
    if (folder / "crops.parquet").is_file():
        try:
            table = pq.read_table(folder / "crops.parquet", columns=["clip", "person"])
            theirs = table.filter(pc.is_in(table["person"], pa.array(people, pa.int32())))
            shown = sorted(theirs["clip"].unique().to_pylist())
        except (OSError, ValueError, pa.ArrowException):  # edited by hand: nothing is known
            pass
    return Shown(len(files), [name for name in shown if (folder / name).exists()])
