"""The same table as CSV, typed and compressed."""

from pathlib import Path

from facetrack.analysis import Analysis
from facetrack.exports.table import table_of
from facetrack.parquet import write_table


def write(analysis: Analysis, path: Path) -> None:
    """A row a face."""
    write_table(path, table_of(analysis))
