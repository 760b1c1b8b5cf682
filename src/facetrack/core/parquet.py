"""Arrow tables in Parquet files, whatever the files are called.

Arrow itself opens names in UTF-8 alone. A file that Python opened it reads in threads of its own,
and a process that ends soon after is aborted by them (6 of 40 times, pyarrow 26): so all goes
through memory.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facetrack.core.atomic_write import atomic_write


def write_table(final: Path, table: pa.Table) -> None:
    """Writes the file whole.

    Raises:
        OSError: when it cannot.
    """
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    with atomic_write(final) as path:
        path.write_bytes(file.getvalue())


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table, or some of its columns.

    Raises:
        OSError: when the file cannot be read.
        ArrowException: when it is no Parquet file, or has no such column.
    """
    return pq.read_table(pa.BufferReader(path.read_bytes()), columns=columns)
