"""The same table as CSV, typed and compressed."""

from pathlib import Path

from facetrack.core.parquet import write_table
from facetrack.exports.table import table_of
from facetrack.timeline import Analysis


def write(analysis: Analysis, path: Path) -> None:
    """A row a face."""
    write_table(path, table_of(analysis))
