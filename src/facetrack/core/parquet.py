"""Arrow tables in Parquet files, through memory.

Arrow opens only files whose names are UTF-8. It reads a file object of Python in its own threads,
which abort a process that ends soon after (6 of 40 times, pyarrow 26). So files are read and
written as bytes, and Arrow sees only memory.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facetrack.core.atomic_write import atomic_write
from facetrack.core.received_files import read_below, read_given

LARGEST_TABLE = 2 << 30
"""Bytes of a file that is read."""


def write_table(final: Path, table: pa.Table) -> None:
    """Writes the table to a file that appears only when it is complete.

    Raises:
        OSError: when the file cannot be written.
    """
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    with atomic_write(final) as path:
        path.write_bytes(file.getvalue())


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads the table, or some of its columns, from a file whose path the user gave.

    Raises:
        InputError: when it is no regular file, or larger than allowed.
        OSError: when the file cannot be read.
        ArrowException: when the file is not Parquet, or lacks one of the columns.
    """
    return _table(read_given(path, LARGEST_TABLE), columns)


def read_table_below(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a table that lies in a folder that anybody may have made.

    Raises:
        InputError: when the name leads out of the folder, or the file is larger than allowed.
        OSError: when the file cannot be read.
        ArrowException: when the file is not Parquet, or lacks one of the columns.
    """
    return _table(read_below(folder, name, LARGEST_TABLE), columns)


def _table(data: bytes, columns: Sequence[str] | None) -> pa.Table:
    return pq.read_table(pa.BufferReader(data), columns=columns)
