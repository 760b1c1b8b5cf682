"""Arrow tables in Parquet files, whatever the files are called: Arrow itself takes UTF-8 alone."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facetrack.whole_file import whole_file


def write_table(final: Path, table: pa.Table) -> None:
    """Writes the file whole.

    Raises:
        OSError: when it cannot.
    """
    with whole_file(final) as path, path.open("wb") as file:
        pq.write_table(table, file)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table, or some of its columns.

    Raises:
        OSError: when the file cannot be read.
        ArrowException: when it is no Parquet file, or has no such column.
    """
    with path.open("rb") as file:
        return pq.read_table(file, columns=columns)
