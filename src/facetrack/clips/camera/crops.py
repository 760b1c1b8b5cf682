"""``crops.parquet``: what every clip shows, as a table that users can edit and render again.

It has one row for each clip, frame and panel. Users may change ``x``, ``y``, ``width`` and
``height`` (the crop's centre and size in pixels of the upright source), and remove whole clips. The
order of the rows does not matter, and other columns are ignored. The columns hold everything that a
clip is made of, because pandas drops a file's other metadata.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facetrack.clips.camera.crop_path import Sizes, inside_frame
from facetrack.clips.plan.clip import Clip, Panel, Segment
from facetrack.core.errors import InputError
from facetrack.core.frame_range import EPSILON_S, FrameRange
from facetrack.core.limits import check_limit
from facetrack.core.parquet import read_table, typed, write_table
from facetrack.core.schema import converted
from facetrack.timeline import Analysis
from facetrack.timeline.rendered import CLIPS_FOLDER, is_clip

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
"""``frame`` and ``time_s`` are the source's; ``clip`` is the file's path in the output folder;
``still_s`` is the time of the source frame that is held instead of this one, or NaN or null;
``picture`` and ``panel`` count the clip's frames and panels from 0; ``at_s`` is the time at which
the frame begins in the clip; ``plan`` is the rest of the clip as JSON, the same in all its rows."""
CROP = ("x", "y", "width", "height")
SAME_ASPECT = 2.0
"""Pixels by which a side may be off the panel's aspect, as crops on whole pixels are."""


def write_crops(
    path: Path, clips: Sequence[Clip], settings: dict[str, Any], others: pa.Table | None = None
) -> None:
    """Writes the file atomically.

    Args:
        path: of the file.
        clips: whose rows are written.
        settings: are kept in the file's metadata, for users to read.
        others: rows of ``COLUMNS`` of other clips, which follow.
    """
    about = json.dumps({"schema": SCHEMA, "settings": settings})
    rows = [_rows(c, p) for c in clips for p in range(len(c.panels))]
    table = pa.concat_tables(
        [COLUMNS.empty_table(), *rows, *([] if others is None else [others.cast(COLUMNS)])]
    )
    write_table(path, table.replace_schema_metadata({"facetrack": about}))


def read_crops(path: Path, image: tuple[int, int] | Analysis | None = None) -> list[Clip]:
    """The clips of a file that ``write_crops`` wrote and users may have edited.

    A crop whose aspect was changed is enlarged to its panel's aspect, so that no face is stretched.

    Args:
        image: width and height of the upright source in pixels, or the analysis that knows them of
            each frame; a crop that reaches past the edges is moved into the frame, and made smaller
            where necessary. None: crops stay as they are.

    Raises:
        InputError: when the file is of another kind, or rows of a clip are missing or invalid.
    """
    try:
        table = read_table(path)
        missing = [name for name in COLUMNS.names if name not in table.column_names]
        if missing:
            raise InputError(f"{path} is no crop file: it has no column {', '.join(missing)}")
        table = typed(table, COLUMNS, "crops", gaps=("still_s", *CROP))
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is no readable crop file ({error}); make one with: facetrack render"
        ) from error
    names = pc.unique(table["clip"]).to_pylist()
    return [_clip(path, table.filter(pc.equal(table["clip"], name)), image) for name in names]


@dataclass(frozen=True)
class StoredPlan:
    """The column ``plan``: facts of the clip that are equal in all its rows."""

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
        "spans": [[s.start_frame, s.end_frame, s.start_s, s.end_s] for s in clip.segment.ranges],
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


def _clip(path: Path, rows: pa.Table, image: tuple[int, int] | Analysis | None) -> Clip:
    rows = rows.sort_by([("panel", "ascending"), ("picture", "ascending")])
    name = str(rows["clip"][0])
    if not is_clip(name):
        raise InputError(
            f"{path}: clip {name[:200]!r} is no file in the folder {CLIPS_FOLDER}/; rename it"
        )
    try:
        plan = converted(json.loads(rows["plan"][0].as_py()), StoredPlan, "plan")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: the plan of clip {name} was changed ({error})") from error
    m, places = plan.pictures, plan.places
    what = f"{path}: clip {name}"
    check_limit(f"{what}, pixels of its frame", "frame_pixels", plan.size[0] * plan.size[1])
    check_limit(f"{what}, its seconds", "film_s", plan.end_s)
    check_limit(f"{what}, its frames", "frames", m)
    if not all(side > 0 for side in (*plan.size, *(p for place in places for p in place[2:]))):
        raise InputError(f"{what}: a size in its plan is not above 0")
    segment = Segment(plan.people, plan.index, tuple(FrameRange(*one) for one in plan.spans))
    at = np.stack([rows["panel"].to_numpy(), rows["picture"].to_numpy()], axis=1)
    every = np.stack(np.divmod(np.arange(len(at)), max(m, 1)), axis=1)
    if len(at) != m * len(places) or not np.array_equal(at, every):
        raise InputError(
            f"{path}: clip {name} has {len(at)} rows instead of one for each of its {m} frames "
            f"and {len(places)} panels; rows can be changed, but left out only for a whole clip"
        )
    crops = np.stack([rows[column].to_numpy() for column in CROP], axis=1)
    invalid = ~np.isfinite(crops).all(axis=1) | (crops[:, 2:] <= 0).any(axis=1)
    if invalid.any():
        row = int(np.argmax(invalid))
        values = ", ".join(f"{c} {v:g}" for c, v in zip(CROP, crops[row], strict=True))
        raise InputError(f"{path}: clip {name}, frame {rows['frame'][row]}: no crop has {values}")
    pixel_aspect = float(image.info.pixel_aspect) if isinstance(image, Analysis) else 1.0
    panels = []
    for number, place in enumerate(places):
        mine = slice(number * m, (number + 1) * m)
        shaped = _shaped(crops[mine], place[2] / place[3] / pixel_aspect)
        people, still_s = (rows[name].to_numpy()[mine] for name in ("person", "still_s"))
        if image is not None:
            frames = rows["frame"].to_numpy()[mine]
            sizes = _sizes(image, frames, still_s) if isinstance(image, Analysis) else image
            shaped = inside_frame(shaped, sizes)
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


def _sizes(analysis: Analysis, frames: NDArray[np.int32], still_s: Float64) -> Sizes:
    """``(m, 2)`` sizes of the frames that crops are cut from: those that are held, or their own."""
    held = ~np.isnan(still_s)
    cut_from = np.searchsorted(analysis.frame_times, still_s - EPSILON_S) + analysis.first_frame
    shown = np.where(held, cut_from, frames)
    last = analysis.first_frame + len(analysis.frame_times) - 1
    return analysis.sizes_at(np.clip(shown, analysis.first_frame, last))


def _shaped(crops: Float64, aspect: float) -> Float64:
    """The crops, those of another aspect enlarged to it around the same centre."""
    width, height = crops[:, 2], crops[:, 3]
    shaped = crops.copy()
    off = np.abs(width - height * aspect) > SAME_ASPECT * max(1.0, aspect)
    shaped[off, 2] = np.maximum(width, height * aspect)[off]
    shaped[off, 3] = np.maximum(height, width / aspect)[off]
    return shaped
