"""Samples of a run: their columns, their file of JSON lines, and their summary."""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

Sample = Mapping[str, float]
"""Values by column; a quantity that is not known is left out."""
Row = tuple[float | None, ...]
"""The same in the order of ``COLUMNS``; None for what is not known."""

COLUMNS = pa.schema(
    [
        ("seconds", pa.float64()),  # since the start
        ("frames", pa.int64()),  # tracked
        ("frames_per_second", pa.float64()),  # since the sample before
        ("queued_frames", pa.int64()),  # decoded, waiting for the networks
        ("queued_bytes", pa.int64()),
        ("untracked_frames", pa.int64()),  # detected, waiting for the tracker or in it
        ("batch_size", pa.int64()),  # chosen last
        ("cpu_percent", pa.float64()),  # of this process, in per cent of all cores
        ("machine_cpu_percent", pa.float64()),  # of all processes
        ("rss_bytes", pa.int64()),
        ("gpu_percent", pa.float64()),
        ("gpu_decoder_percent", pa.float64()),
        ("gpu_memory_bytes", pa.int64()),  # taken on the GPU by all processes
        ("open_s", pa.float64()),  # spent in each stage so far
        ("decode_s", pa.float64()),
        ("wait_for_frames_s", pa.float64()),
        ("shots_s", pa.float64()),
        ("detect_s", pa.float64()),
        ("wait_for_tracker_s", pa.float64()),
        ("track_s", pa.float64()),
        ("embed_s", pa.float64()),
        ("people_s", pa.float64()),
    ]
)
PERCENTILES = {"p5": 5, "p50": 50, "p95": 95}


def as_row(sample: Sample) -> Row:
    """The sample as a row."""
    return tuple(sample.get(name) for name in COLUMNS.names)


def as_table(rows: Iterable[Row]) -> pa.Table:
    """A table with one row for each sample, without columns in which nothing is known."""
    columns = zip(COLUMNS, zip(*rows, strict=True), strict=False)
    arrays = {column.name: pa.array(values, column.type) for column, values in columns}
    return pa.table({n: values for n, values in arrays.items() if values.null_count < len(values)})


def as_lines(table: pa.Table) -> str:
    """The table as JSON lines."""
    return "".join(map(as_line, table.to_pylist()))


def as_line(sample: Mapping[str, float | None]) -> str:
    """One sample as a line of JSON, without values that are not known."""
    return json.dumps({n: value for n, value in sample.items() if value is not None}) + "\n"


def from_lines(text: str) -> pa.Table:
    """The table that ``as_lines`` wrote.

    Raises:
        ValueError: when the text is anything else.
    """
    return as_table([as_row(dict(json.loads(line))) for line in text.splitlines()])


def summary(table: pa.Table) -> dict[str, dict[str, float]]:
    """Mean, percentiles and largest value of each column that does not only grow."""
    return {
        name: _summary(table[name].drop_null().to_numpy())
        for name in table.column_names
        if name not in ("seconds", "frames") and not name.endswith("_s")
    }


def _summary(values: Sequence[float]) -> dict[str, float]:
    facts = {
        "mean": np.mean(values),
        **{name: np.percentile(values, p) for name, p in PERCENTILES.items()},
        "max": np.max(values),
    }
    return {name: round(float(value), 3) for name, value in facts.items()}
