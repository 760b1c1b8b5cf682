"""The formats that an analysis can be exported to, and the one call that does it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import UsageError
from facetrack.exports import (
    coco,
    csv,
    edl,
    fcpxml,
    json_lines,
    mot,
    otio,
    parquet,
    srt,
    webvtt,
)
from facetrack.timeline import Analysis


@dataclass(frozen=True)
class Format:
    """A format: how its files end, and what writes one."""

    suffix: str
    write: Callable[[Analysis, Path], None]


FORMATS = {
    "csv": Format(".csv", csv.write),
    "parquet": Format(".parquet", parquet.write),
    "json-lines": Format(".jsonl", json_lines.write),
    "mot": Format(".mot.txt", mot.write),
    "coco": Format(".coco.json", coco.write),
    "webvtt": Format(".vtt", webvtt.write),
    "srt": Format(".srt", srt.write),
    "otio": Format(".otio", otio.write),
    "edl": Format(".edl", edl.write),
    "fcpxml": Format(".fcpxml", fcpxml.write),
}


def export(analysis: Analysis, format: str, path: str | os.PathLike[str]) -> Path:
    """Writes an analysis in a format that other tools read; gives the file's path.

    >>> import facetrack
    >>> analysis = facetrack.analyze("talk.mp4")
    >>> print(facetrack.export(analysis, "webvtt", "talk.vtt").read_text().rstrip())
    WEBVTT
    <BLANKLINE>
    00:00:00.000 --> 00:00:02.400
    Person 1

    Args:
        format: one of ``FORMATS``.
        path: the file; it appears under this name only when it is whole.

    Raises:
        UsageError: for a format that there is not, or whose library is not installed.
        OSError: when the file cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"format {format!r} is none of {', '.join(FORMATS)}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        FORMATS[format].write(analysis, temporary)
    return path
