"""An analysis as Arrow tables, with one row for each part, and as objects of other libraries."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

import numpy as np
import pyarrow as pa

from facetrack.core.errors import UsageError
from facetrack.timeline.faces import boxes_of, landmarks_of
from facetrack.timeline.parts import Dropped, Interval, Person, Shot, Track

if TYPE_CHECKING:
    from facetrack.timeline.result import Analysis

TableName = Literal[
    "people", "tracks", "intervals", "shots", "dropped", "faces", "frames", "metrics"
]
NAMES: tuple[TableName, ...] = get_args(TableName)

COLUMN_TYPES = {int: pa.int32(), float: pa.float64()}
"""Column types of a part's fields; other fields are text. Numbers of people, tracks and frames have
the types of ``FACE_COLUMNS``, so that tables join."""


def table_of(analysis: "Analysis", name: TableName) -> pa.Table:
    """See ``Analysis.table``.

    Raises:
        UsageError: when there is no such table.
    """
    match name:
        case "people":
            return _parts(analysis.people, Person)
        case "tracks":
            return _parts(analysis.tracks, Track)
        case "intervals":
            return _parts(analysis.intervals, Interval)
        case "shots":
            return _parts(analysis.shots, Shot)
        case "dropped":
            return _parts(analysis.dropped, Dropped)
        case "faces":
            return analysis.faces
        case "frames":
            return frame_table(analysis)
        case "metrics":
            return analysis.metrics
    raise UsageError(f"there is no table {name!r}; there are {', '.join(NAMES)}")


def frame_table(analysis: "Analysis") -> pa.Table:
    """Number (``frame``, int32), presentation time (``time_s``, float64) and size of each frame.

    ``width`` and ``height`` are int32 pixels of the upright frame.
    """
    first, times_s = analysis.first_frame, analysis.frame_times
    frames = np.arange(first, first + len(times_s), dtype=np.int32)
    widths, heights = analysis.sizes_at(frames).T
    return pa.table(
        {
            "frame": frames,
            "time_s": pa.array(times_s, pa.float64()),
            "width": pa.array(widths, pa.int32()),
            "height": pa.array(heights, pa.int32()),
        }
    )


def as_pandas(table: pa.Table) -> Any:
    """The table as a ``pandas.DataFrame``.

    Raises:
        UsageError: when pandas is not installed.
    """
    try:
        import pandas  # noqa: F401 - pyarrow says less clearly what is missing
    except ImportError as error:
        raise UsageError(
            "pandas is not installed; pip install pandas, or take the Arrow table: Analysis.table"
        ) from error
    return table.to_pandas()


def as_detections(faces: pa.Table, people: Sequence[Person]) -> Any:
    """Rows of ``FACE_COLUMNS`` as ``supervision.Detections``; see ``Analysis.detections``.

    Raises:
        UsageError: when supervision is not installed.
    """
    try:
        from supervision import Detections
    except ImportError as error:
        raise UsageError(
            "supervision is not installed; pip install supervision, or use Analysis.faces"
        ) from error
    names = {p.id: p.name for p in people}
    persons = faces["person"].to_numpy()
    return Detections(
        xyxy=boxes_of(faces),
        confidence=faces["score"].to_numpy(),
        class_id=persons.astype(int),
        tracker_id=faces["track"].to_numpy().astype(int),
        data={
            "class_name": np.array([names.get(person, "") for person in persons.tolist()], str),
            "landmarks": landmarks_of(faces),
            "source": np.array(faces["source"].to_pylist(), str),
        },
    )


def _parts(parts: Sequence[Any], kind: type) -> pa.Table:
    """One row for each part, one column for each field."""
    types = get_type_hints(kind)
    schema = pa.schema(
        [
            (f.name, COLUMN_TYPES.get(_without_none(types[f.name]), pa.string()))
            for f in fields(kind)
        ]
    )
    return pa.Table.from_pylist([asdict(part) for part in parts], schema=schema)


def _without_none(kind: Any) -> Any:
    """``float`` of ``float | None``."""
    kinds = [k for k in get_args(kind) if k is not NoneType]
    return kinds[0] if kinds else kind
