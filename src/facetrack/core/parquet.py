"""Arrow tables in Parquet files, through memory; and the check of what they hold.

Arrow opens only files whose names are UTF-8. It reads a file object of Python in its own threads,
which abort a process that ends soon after (6 of 40 times, pyarrow 26). So files are read and
written as bytes, and Arrow sees only memory.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facetrack.core.atomic_write import atomic_write
from facetrack.core.limits import check_limit, limits
from facetrack.core.received_files import read_below, read_given

ROWS = 1 << 16
"""Rows that are unpacked at once."""
SMALLEST_VALUE = 1
"""Bytes of a value in memory, whatever its type."""


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
    return _table(read_given(path, limits().table_bytes), columns, str(path))


def read_table_below(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a table that lies in a folder that anybody may have made.

    Raises:
        InputError: when the name leads out of the folder, or the file is larger than allowed.
        OSError: when the file cannot be read.
        ArrowException: when the file is not Parquet, or lacks one of the columns.
    """
    return _table(read_below(folder, name, limits().table_bytes), columns, f"{folder}/{name}")


def _table(data: bytes, columns: Sequence[str] | None, what: str) -> pa.Table:
    """Unpacks the table in steps: a few bytes of Parquet may stand for any number of rows.

    What the file says of its sizes is checked first, and then what was unpacked, as the file may
    say anything, and a value that is stored once may come in every row.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    facts = file.metadata
    groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
    check_limit(what, "table_bytes", sum(group.total_byte_size for group in groups))
    values = sum(g.column(i).num_values for g in groups for i in range(g.num_columns))
    check_limit(what, "table_bytes", max(values, facts.num_rows) * SMALLEST_VALUE)
    missing = [name for name in columns or () if name not in file.schema_arrow.names]
    if missing:
        raise pa.ArrowInvalid(f"there is no column {missing[0]}")
    largest = max((g.total_byte_size for g in groups), default=0)
    rows = max(1, min(ROWS, limits().table_bytes // max(largest, 1)))
    parts, size = [], 0
    for batch in file.iter_batches(batch_size=rows, columns=columns):
        parts.append(_decoded(pa.Table.from_batches([batch])))
        size += parts[-1].nbytes
        check_limit(what, "table_bytes", size)
    table = pa.concat_tables(parts or [_decoded(file.schema_arrow.empty_table())])
    return table if columns is None else table.select(columns)


def _decoded(table: pa.Table) -> pa.Table:
    """The table with every value in its row: others would do so later, with no look at the size."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(i).cast(field.type.value_type)
            table = table.set_column(i, field.name, plain)
    return table


def typed(
    stored: pa.Table, columns: pa.Schema, called: str, gaps: Collection[str] = ()
) -> pa.Table:
    """The columns of a table, in their types.

    Args:
        stored: the table as it was read; other columns are left out.
        columns: names and types.
        called: what messages call the table.
        gaps: columns in which values may be missing, or numbers not finite.

    Raises:
        KeyError: when a column is missing, or is there twice.
        ArrowException: when a value is of another type.
        ValueError: when a value is missing, or a number is not finite.
    """
    table = stored.select(columns.names).cast(columns)
    for name, column in zip(columns.names, table.columns, strict=True):
        if name in gaps:
            continue
        values = pc.list_flatten(column) if pa.types.is_fixed_size_list(column.type) else column
        if column.null_count or values.null_count:
            raise ValueError(f"{called}: a value of {name} is missing")
        if pa.types.is_string(column.type):
            continue
        if not pc.all(pc.is_finite(values), min_count=0).as_py():
            raise ValueError(f"{called}: a value of {name} is no finite number")
    return table
