"""``renders.json``: the renders of a folder, and the files that each wrote.

By it a render knows which files it may replace, and ``facetrack verify`` whether they are whole.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from facetrack.core.atomic_write import write_json
from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.received_files import file_below, is_below, json_of, read_below
from facetrack.core.schema import converted
from facetrack.timeline.checksums import FileFacts

RENDERS = "renders.json"
SCHEMA = "facetrack/renders/1"
CLIPS_FOLDER = "clips"
SUFFIXES = (".mp4", ".mov", ".wav")
"""Endings of a clip's files."""
CROPS_FILE = "crops.parquet"
DATA_SET_FILES = tuple(
    f"{CLIPS_FOLDER}/{name}" for name in ("manifest.jsonl", "pictures.parquet", "left_out.jsonl")
)


@dataclass(frozen=True)
class RenderedClip:
    """A clip that was written."""

    people: list[int]
    """In the order of its panels."""
    frames: int
    samples: int
    """Samples of each audio channel, before the codec's own framing; 0: no sound."""
    files: dict[str, FileFacts]
    """Path in the folder, with ``/``, to its content: the clip, then its WAV file, if any."""
    sound_error: str | None = None
    """What of its sound could not be read, and is silent; None: nothing."""

    @property
    def path(self) -> str:
        """Path of the clip in the folder."""
        return next(iter(self.files))


@dataclass(frozen=True)
class Render:
    """One render: whom it shows, under which names, and what it wrote."""

    name: str | None
    """Template of the file names; None: the usual one."""
    target: list[str]
    mode: str
    data_set: bool
    settings: dict[str, Any]
    """Settings of the clips, as ``crops.parquet`` has them."""
    clips: list[RenderedClip] = field(default_factory=list)
    from_crops: bool = False
    """Whether the clips were those of an edited ``crops.parquet``."""

    def is_same_as(self, other: "Render") -> bool:
        """Whether it is the same render, made again."""
        keys = ("name", "target", "mode", "data_set", "from_crops")
        return all(getattr(self, key) == getattr(other, key) for key in keys)


@dataclass(frozen=True)
class RenderSource:
    """The video that the clips show."""

    path: str
    fingerprint: str | None = None


@dataclass(frozen=True)
class RendersFile:
    """All of ``renders.json``."""

    schema: str
    source: RenderSource
    renders: list[Render]
    tables: dict[str, FileFacts] = field(default_factory=dict)
    """``crops.parquet``, and the three files of a data set."""

    @property
    def clips(self) -> list[RenderedClip]:
        """The clips of all renders."""
        return [clip for render in self.renders for clip in render.clips]

    def files(self) -> dict[str, FileFacts]:
        """Every file that was written."""
        return dict(self.tables) | {
            path: facts for clip in self.clips for path, facts in clip.files.items()
        }


def is_clip(name: str) -> bool:
    """Whether a path in a result folder can be a clip's: a file in ``clips/`` with such an ending.

    Names of clips are read from files that users edit and that may come from anybody.
    """
    path = PurePosixPath(name)
    inside = is_below(name) and len(path.parts) > 1 and path.parts[0] == CLIPS_FOLDER
    return inside and path.suffix in SUFFIXES


def is_of_render(name: str) -> bool:
    """Whether a render may write a file of this name."""
    return is_clip(name) or name in (RENDERS, CROPS_FILE, *DATA_SET_FILES)


def read_renders(folder: Path) -> RendersFile | None:
    """The renders of a folder; None where there is no such file.

    Raises:
        InputError: when the file cannot be read, or names files that no render writes.
    """
    try:
        stored = converted(
            json_of(read_below(folder, RENDERS, limits().text_bytes)), RendersFile, ""
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / RENDERS} cannot be read ({error}); move it away to render again"
        ) from error
    for name in stored.files():
        if not is_of_render(name):
            raise InputError(f"{folder / RENDERS} names {name[:200]!r}, which no render writes")
    return replace(
        stored, renders=[replace(r, clips=[c for c in r.clips if c.files]) for r in stored.renders]
    )


def write_renders(
    folder: Path, source: RenderSource, renders: Sequence[Render], tables: dict[str, FileFacts]
) -> None:
    """Writes the file atomically.

    Raises:
        OSError: when it cannot be written.
    """
    file = RendersFile(SCHEMA, source, [r for r in renders if r.clips], tables)
    write_json(folder / RENDERS, json.dumps(asdict(file), indent=1, ensure_ascii=False) + "\n")


def is_as_written(folder: Path, name: str, facts: FileFacts | None) -> bool:
    """Whether a file that a render wrote is there, with the size that it had."""
    found = file_below(folder, name)
    return facts is not None and found is not None and found.st_size == facts.size
