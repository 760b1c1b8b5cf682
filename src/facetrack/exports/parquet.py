"""The same table as CSV, typed and compressed."""

from pathlib import Path

from pyarrow.parquet import write_table

from facetrack.analysis import Analysis
from facetrack.exports.table import table_of


def write(analysis: Analysis, path: Path) -> None:
    """A row a face."""
    write_table(table_of(analysis), path)
