"""Comma-separated values with a header: spreadsheets, R, pandas, DuckDB."""

from pathlib import Path

import pyarrow as pa
from pyarrow.csv import write_csv

from facetrack.exports.table import table_of
from facetrack.timeline import Analysis


def write(analysis: Analysis, path: Path) -> None:
    """A header, then a row a face."""
    text = pa.BufferOutputStream()  # Arrow itself opens names in UTF-8 alone
    write_csv(table_of(analysis), text)
    path.write_bytes(text.getvalue())
