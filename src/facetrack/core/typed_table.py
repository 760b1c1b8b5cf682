"""Tables that come from files: each column gets its type, and each value is looked at."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc


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
