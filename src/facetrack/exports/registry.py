"""Formats that an analysis can be exported to: ours, and those that other packages add.

A format is a class that fulfils ``Exporter``. Another package adds one with an entry point of the
group ``facetrack.exporters``; our formats are listed below in the same form. A format's module is
imported only when the format is used.
"""

import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import UsageError
from facetrack.core.extensions import extensions

if TYPE_CHECKING:
    from facetrack.timeline import Analysis

GROUP = "facetrack.exporters"
"""Group of the entry points; each names a class that is called without arguments."""

OUR_FORMATS = {
    "csv": "facetrack.exports.tables:CsvExporter",
    "parquet": "facetrack.exports.tables:ParquetExporter",
    "json-lines": "facetrack.exports.tables:JsonLinesExporter",
    "mot": "facetrack.exports.mot:MotExporter",
    "coco": "facetrack.exports.coco:CocoExporter",
    "webvtt": "facetrack.exports.subtitles:WebVttExporter",
    "srt": "facetrack.exports.subtitles:SrtExporter",
    "otio": "facetrack.exports.otio:OtioExporter",
    "edl": "facetrack.exports.otio:EdlExporter",
    "fcpxml": "facetrack.exports.fcpxml:FcpxmlExporter",
}


@runtime_checkable
class Exporter(Protocol):
    """Writes an analysis as a file of one format."""

    @property
    def name(self) -> str:
        """The format's name: what ``export`` and ``--format`` take."""
        ...

    @property
    def suffix(self) -> str:
        """How file names of this format end, with the first dot: ``.mot.txt``."""
        ...

    def write(self, analysis: "Analysis", path: Path) -> None:
        """Writes the file. The same analysis always gives the same bytes.

        ``export`` calls this with a temporary path, whose name does not end in ``suffix``, and
        renames the file when it is whole. The analysis may contain no people, names with any
        characters, and a variable frame rate.

        Args:
            analysis: must not be changed.
            path: the file to write; no other file may be written.

        Raises:
            UsageError: when a library that the format needs is not installed.
            OSError: when the file cannot be written.
        """
        ...


def export(analysis: "Analysis", format: "str | Exporter", path: str | os.PathLike[str]) -> Path:
    """Writes an analysis in a format that other tools read.

    >>> import facetrack
    >>> analysis = facetrack.analyze("talk.mp4")
    >>> print(facetrack.export(analysis, "webvtt", "talk.vtt").read_text().rstrip())
    WEBVTT
    <BLANKLINE>
    00:00:00.000 --> 00:00:02.400
    Person 1

    Args:
        format: one of ``format_names``, or an exporter of your own.
        path: the file to write. It appears under this name only when it is whole, and replaces an
            older one. Missing folders are made.

    Returns:
        The file's path.

    Raises:
        UsageError: for an unknown format, or when a library that it needs is not installed.
        OSError: when the file cannot be written.
    """
    exporter = exporter_of(format) if isinstance(format, str) else format
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        exporter.write(analysis, temporary)
    return path


def format_names() -> list[str]:
    """Names of all formats: ours, then those of installed packages."""
    return list(dict.fromkeys([*OUR_FORMATS, *(found.name for found in extensions(GROUP))]))


def exporter_of(format: str) -> Exporter:
    """The exporter of a format. Of two with the same name ours is taken.

    Raises:
        UsageError: for an unknown format, or when another package's exporter cannot be loaded.
    """
    if format in OUR_FORMATS:
        exporter: Exporter = EntryPoint(format, OUR_FORMATS[format], GROUP).load()()
        return exporter
    for found in extensions(GROUP):
        if found.name == format:
            return _loaded(found)
    raise UsageError(f"format {format!r} is none of {', '.join(format_names())}")


def _loaded(found: EntryPoint) -> Exporter:
    where = f"format {found.name!r} ({found.value})"
    try:
        exporter = found.load()()
    except Exception as error:  # whatever another package's code raises
        raise UsageError(f"{where} cannot be loaded: {error}") from error
    if not isinstance(exporter, Exporter) or exporter.name != found.name:
        raise UsageError(
            f"{where} is not an exporter of this name; it needs name = {found.name!r}, suffix, and "
            "write(analysis, path)"
        )
    return exporter
