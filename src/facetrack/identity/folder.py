"""Edits an analysis in its folder; each edit is one step that can be undone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facetrack.core.errors import InputError, UsageError
from facetrack.core.parquet import read_table_below
from facetrack.core.received_files import file_below
from facetrack.identity.uncertain import uncertain
from facetrack.timeline import Analysis
from facetrack.timeline.folder import write_folder
from facetrack.timeline.history import History


def analysis_folder(out: Path) -> Path:
    """``out`` itself, or the only folder in it that holds an analysis.

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
    """The folders in ``out`` that hold an analysis, by name.

    Links are left out: they would lead from a folder that was received to any other.
    """
    found = (timeline.parent for timeline in out.glob("*/timeline.json"))
    return sorted(folder for folder in found if not folder.is_symlink())


def edit(folder: Path, what: str, change: Callable[[Analysis], Analysis]) -> Analysis:
    """Replaces the analysis in a folder by what ``change`` makes of it.

    All files change, or none when something fails.

    Args:
        folder: of the analysis.
        what: name of the edit, which ``undo`` shows.
        change: from the analysis to the edited one.

    Returns:
        The edited analysis.

    Raises:
        InputError: when the folder holds no analysis.
    """
    edited: list[Analysis] = []

    def write(new: Path) -> None:
        changed = change(Analysis.load(folder))
        edited.append(replace(changed, uncertain=uncertain(changed)))
        write_folder(edited[0], new)

    History(folder).change(what, write)
    return edited[0]


def undo(folder: Path) -> tuple[str, Analysis]:
    """Takes the latest edit back.

    Returns:
        The name of that edit, and the analysis as it was before.

    Raises:
        UsageError: when there is nothing to undo.
    """
    what = History(folder).undo()
    return what, Analysis.load(folder)


@dataclass(frozen=True)
class OldClips:
    """Clips in a folder that were made before an edit."""

    clips: int
    """Number of all clips."""
    of_people: list[str]
    """Paths in the folder of clips that ``crops.parquet`` lists with one of the people."""


def clips_of(folder: Path, people: list[int]) -> OldClips:
    """The clips in a folder, and which of them show some people.

    ``crops.parquet`` says whom the clips of the latest run show; clips of earlier runs may show
    anybody. Where that file cannot be read, no clip is listed.
    """
    files = [p for p in (folder / "clips").rglob("*") if p.suffix in (".mp4", ".mov")]
    listed: list[str] = []
    try:
        table = read_table_below(folder, "crops.parquet", ["clip", "person"])
        theirs = table.filter(pc.is_in(table["person"], pa.array(people, pa.int32())))
        listed = sorted(theirs["clip"].cast(pa.string()).unique().drop_null().to_pylist())
    except (OSError, ValueError, TypeError, pa.ArrowException, InputError):
        pass  # there is none, or it was edited by hand
    return OldClips(len(files), [name for name in listed if file_below(folder, name)])
