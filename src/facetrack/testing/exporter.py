"""A small ``Exporter`` that writes real files and can fail on request."""

from pathlib import Path

from facetrack.exports.person_ranges import person_names, person_ranges
from facetrack.timeline import Analysis


class FakeExporter:
    """Writes one line per interval of a person: start and end seconds, number, name."""

    name = "fake"
    suffix = ".fake.txt"

    def __init__(self, error: Exception | None = None) -> None:
        """An exporter that works, or one that fails.

        Args:
            error: raised after the first half of the file is written; None: never.
        """
        self._error = error

    def write(self, analysis: Analysis, path: Path) -> None:
        """Writes the file, or its first half and then raises the error."""
        names = person_names(analysis)
        lines = [
            f"{one.start_s:.3f} {one.end_s:.3f} {person} {names[person]}\n"
            for person, ranges in person_ranges(analysis).items()
            for one in ranges
        ]
        text = "".join(lines)
        if self._error is not None:
            path.write_text(text[: len(text) // 2], encoding="utf-8")
            raise self._error
        path.write_text(text, encoding="utf-8", newline="\n")
