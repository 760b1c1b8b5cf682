"""``crops.parquet``: what every clip shows, as a table that people edit and render again.

One row a clip, frame and panel. ``x``, ``y``, ``width`` and ``height`` (the crop's centre and
size in pixels of the upright source) are there to be changed, and whole clips may be left out. The
order of the rows does not matter, and neither do other columns. All that a clip is made of lies in
the columns, for pandas keeps no other metadata of a file.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facetrack.clips.camera.crop_path import inside_frame
from facetrack.clips.plan.clip import Clip, Panel, Segment
from facetrack.core.errors import InputError
from facetrack.core.frame_range import FrameRange
from facetrack.core.parquet import read_table, write_table
from facetrack.core.schema import converted

Float64 = NDArray[np.float64]

SCHEMA = "facetrack/crops/1"
COLUMNS = pa.schema(
    [
        ("frame", pa.int32()),
        ("time_s", pa.float64()),
        ("clip", pa.string()),
        ("person", pa.int32()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
        ("still_s", pa.float64()),
        ("picture", pa.int32()),
        ("panel", pa.int32()),
        ("at_s", pa.float64()),
        ("plan", pa.string()),
    ]
)
"""``frame`` and ``time_s`` of the source; ``clip`` the file's path in the output folder;
``still_s`` the time of the frame that is held in the place of this one, NaN or null: none;
``image`` and ``panel`` count from 0; ``at_s`` when the frame begins in the clip; ``plan`` the
rest of the clip as JSON, the same in all its rows."""
CROP = ("x", "y", "width", "height")
SAME_ASPECT = 2.0
"""Pixels by which a side may be off; crops on whole pixels are."""


def write_crops(path: Path, clips: Sequence[Clip], settings: dict[str, Any]) -> None:
    """Writes the file whole; ``settings`` are kept beside the schema, for people to read."""
    about = json.dumps({"schema": SCHEMA, "settings": settings})
    table = pa.concat_tables(
        [COLUMNS.empty_table(), *(_rows(c, p) for c in clips for p in range(len(c.panels)))]
    )
    write_table(path, table.replace_schema_metadata({"facetrack": about}))


def read_crops(path: Path, image: tuple[int, int] | None = None) -> list[Clip]:
    """The clips of a file that ``write_crops`` wrote and people may have edited.

    A crop whose shape was changed becomes the smallest around it that has its panel's aspect, so
    that no face is stretched.

    Args:
        image: width and height of the upright source; a crop that reaches past its edges is
            moved, and if need be shrunk, into it.

    Raises:
        InputError: when the file is not of this kind, or rows of a clip are missing or senseless.
    """
    try:
        table = read_table(path)
        missing = [name for name in COLUMNS.names if name not in table.column_names]
        if missing:
            raise InputError(f"{path} is no crop file: it has no column {', '.join(missing)}")
        table = table.select(COLUMNS.names).cast(COLUMNS)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is no readable crop file ({error}); make one with: facetrack render"
        ) from error
    names = pc.unique(table["clip"]).to_pylist()
    return [_clip(path, table.filter(pc.equal(table["clip"], name)), image) for name in names]


def listed_clips(path: Path) -> list[Path]:
    """Files that the run before made, relative to the output folder; none when it left no list."""
    try:
        names = pc.unique(read_table(path, columns=["clip"])["clip"]).to_pylist()
    except (OSError, pa.ArrowException):
        return []
    return [Path(name) for name in names if _is_inside(name)]


@dataclass(frozen=True)
class StoredPlan:
    """The column ``plan``: what of a clip is the same in all its rows."""

    size: tuple[int, int]
    pictures: int
    end_s: float
    people: tuple[int, ...]
    index: int
    spans: list[tuple[int, int, float, float]]
    places: list[tuple[int, int, int, int]]


def _rows(clip: Clip, number: int) -> pa.Table:
    m = len(clip.frames)
    panel = clip.panels[number]
    plan = {
        "size": clip.size,
        "pictures": m,
        "end_s": float(clip.edges_s[-1]),
        "people": clip.segment.people,
        "index": clip.segment.index,
        "spans": [[s.start_frame, s.end_frame, s.start_s, s.end_s] for s in clip.segment.spans],
        "places": [p.place for p in clip.panels],
    }
    columns = {
        "frame": clip.frames,
        "time_s": clip.source_s,
        "clip": pa.repeat(clip.path.as_posix(), m),
        "person": panel.people,
        **dict(zip(CROP, panel.crops.T, strict=True)),
        "still_s": panel.still_s,
        "picture": np.arange(m),
        "panel": np.full(m, number),
        "at_s": clip.edges_s[:-1],
        "plan": pa.repeat(json.dumps(plan), m),
    }
    return pa.table(columns).cast(COLUMNS)


def _clip(path: Path, rows: pa.Table, image: tuple[int, int] | None) -> Clip:
    rows = rows.sort_by([("panel", "ascending"), ("picture", "ascending")])
    name = str(rows["clip"][0])
    if not _is_inside(name):
        raise InputError(f"{path}: clip {name!r} lies outside the output folder; rename it")
    try:
        plan = converted(json.loads(rows["plan"][0].as_py()), StoredPlan, "plan")
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: the plan of clip {name} was changed ({error})") from error
    m, places = plan.pictures, plan.places
    segment = Segment(plan.people, plan.index, tuple(FrameRange(*span) for span in plan.spans))
    at = np.stack([rows["panel"].to_numpy(), rows["picture"].to_numpy()], axis=1)
    every = np.stack(np.divmod(np.arange(m * len(places)), max(m, 1)), axis=1)
    if not np.array_equal(at, every):
        raise InputError(
            f"{path}: clip {name} has {len(at)} rows instead of one for each of its {m} pictures "
            f"and {len(places)} panels; rows can be changed, but left out only for a whole clip"
        )
    crops = np.stack([rows[column].to_numpy() for column in CROP], axis=1)
    senseless = ~np.isfinite(crops).all(axis=1) | (crops[:, 2:] <= 0).any(axis=1)
    if senseless.any():
        row = int(np.argmax(senseless))
        values = ", ".join(f"{c} {v:g}" for c, v in zip(CROP, crops[row], strict=True))
        raise InputError(f"{path}: clip {name}, frame {rows['frame'][row]}: no crop has {values}")
    panels = []
    for number, place in enumerate(places):
        mine = slice(number * m, (number + 1) * m)
        shaped = _shaped(crops[mine], place[2] / place[3])
        if image is not None:
            shaped = inside_frame(shaped, image)
        people, still_s = (rows[name].to_numpy()[mine] for name in ("person", "still_s"))
        panels.append(Panel(place, people, shaped, still_s))
    return Clip(
        Path(name),
        segment,
        plan.size,
        rows["frame"].to_numpy()[:m],
        rows["time_s"].to_numpy()[:m],
        np.append(rows["at_s"].to_numpy()[:m], plan.end_s),
        tuple(panels),
    )


def _shaped(crops: Float64, aspect: float) -> Float64:
    """As they are, or grown to the aspect around the same centre."""
    width, height = crops[:, 2], crops[:, 3]
    shaped = crops.copy()
    off = np.abs(width - height * aspect) > SAME_ASPECT * max(1.0, aspect)
    shaped[off, 2] = np.maximum(width, height * aspect)[off]
    shaped[off, 3] = np.maximum(height, width / aspect)[off]
    return shaped


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.name != ""
