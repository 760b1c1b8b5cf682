"""Where the page finds the video and the clips: addresses relative to it where that is possible."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from facetrack.core.parquet import read_table

JUMP_S = 0.25
"""A clip that steps further through its source than through itself leaves something out."""
CROPS_FILE = "crops.parquet"


@dataclass(frozen=True)
class Piece:
    """A stretch of the source that a clip shows without a break."""

    start_s: float
    end_s: float
    """Of the last frame: its presentation time in the source."""
    at_s: float
    """When it begins in the clip."""


def source_address(source: Path, folder: Path) -> str | None:
    """Of the video where it was, or where it lies beside the folder or in it; None: nowhere.

    Args:
        folder: that the page lies in.
    """
    for place in (source, folder / source.name, folder.parent / source.name):
        if place.is_file():
            return _address(place, folder)
    return None


def clip_pieces(folder: Path) -> dict[tuple[str, int], list[Piece]]:
    """What the folder's clips show of whom: address and person to the pieces, in order.

    Nothing for clips that are gone, and nothing at all when ``crops.parquet`` is not readable.
    """
    try:
        columns = ["clip", "person", "time_s", "at_s"]
        table = read_table(folder / CROPS_FILE).select(columns)
        order = [(name, "ascending") for name in ("clip", "person", "at_s")]
        table = table.sort_by(order)
        time_s, at_s = table["time_s"].to_numpy(), table["at_s"].to_numpy()
        clips = table["clip"].combine_chunks().dictionary_encode()
        names, clip, person = clips.dictionary, clips.indices.to_numpy(), table["person"].to_numpy()
    except (OSError, ValueError, LookupError, pa.ArrowException):  # none, or edited by hand
        return {}
    new = np.diff(clip, prepend=-1) != 0
    new |= np.diff(person, prepend=-1) != 0
    new |= np.abs(np.diff(time_s - at_s, prepend=0)) > JUMP_S
    starts = np.flatnonzero(new)
    found: dict[tuple[str, int], list[Piece]] = {}
    ends = np.append(starts[1:], len(time_s))
    for start, end in zip(starts, ends, strict=False):  # no starts: no clips
        path = folder / names[int(clip[start])].as_py()
        if path.is_file():
            key = _address(path, folder), int(person[start])
            piece = Piece(float(time_s[start]), float(time_s[end - 1]), float(at_s[start]))
            found.setdefault(key, []).append(piece)
    return found


def as_data(pieces: dict[tuple[str, int], list[Piece]]) -> list[dict[str, Any]]:
    """For the page's script."""
    return [
        {
            "url": url,
            "person": person,
            "pieces": [[round(t, 4) for t in (p.start_s, p.end_s, p.at_s)] for p in of],
        }
        for (url, person), of in pieces.items()
    ]


def _address(path: Path, folder: Path) -> str:
    """Relative to the folder; a ``file:`` address where there is no way from one to the other."""
    path = Path(os.path.abspath(path))
    try:
        relative = Path(os.path.relpath(path, os.path.abspath(folder)))
    except ValueError:  # another drive
        return path.as_uri()
    return quote(os.fsencode(relative.as_posix()))
