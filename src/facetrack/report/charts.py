"""Small line charts of a run's samples, as SVG whose colours come from the page's style."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup
from numpy.typing import NDArray

from facetrack.report.template import clock, number

Float64 = NDArray[np.float64]

POINTS = 240
"""Maximum number of points of a line; of more samples each point is the mean of neighbours."""
WIDTH, HEIGHT = 320, 120
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 8, 18
"""Margins around the lines, for the labels of the axes."""
MIB = 2.0**20


@dataclass(frozen=True)
class ChartSpec:
    """One quantity over time, as one or several lines."""

    title: str
    lines: dict[str, str]
    """Column of the samples to its name in the legend."""
    unit: str = ""
    scale: float = 1.0
    """Values are divided by this."""
    top: float | None = None
    """Value at the top of the axis; None: the largest one, rounded up."""


@dataclass(frozen=True)
class Chart:
    """A drawn chart."""

    title: str
    """With the unit."""
    svg: Markup
    legend: list[str]
    """Name, mean and maximum of each line, in the order of the SVG's classes ``l0``, ``l1``..."""


SPECS = (
    ChartSpec(
        "Utilisation",
        {
            "gpu_percent": "GPU",
            "cpu_percent": "this process, of all cores",
            "machine_cpu_percent": "all processes",
            "gpu_decoder_percent": "GPU decoder",
        },
        "%",
        top=100.0,
    ),
    ChartSpec(
        "Memory",
        {"rss_bytes": "this process", "gpu_memory_bytes": "GPU, all processes"},
        "MiB",
        MIB,
    ),
    ChartSpec(
        "Queue depth",
        {
            "queued_frames": "waiting for networks",
            "untracked_frames": "waiting for tracker",
        },
        "frames",
    ),
    ChartSpec("Batch size", {"batch_size": "frames per batch, at most"}),
    ChartSpec("Speed", {"frames_per_second": "frames/s"}),
)


def run_charts(metrics: pa.Table) -> list[Chart]:
    """All charts that the samples have a column for; none for fewer than two samples.

    Args:
        metrics: rows of ``runtime.metrics.COLUMNS``.
    """
    if len(metrics) < 2:
        return []
    seconds = metrics["seconds"].to_numpy()
    charts = (_chart(spec, seconds, metrics) for spec in SPECS)
    return [chart for chart in charts if chart is not None]


def decimated(seconds: Float64, values: Float64) -> tuple[Float64, Float64]:
    """At most ``POINTS`` points, each the mean of neighbouring samples; NaN values are left out.

    Args:
        seconds: ``(n,)`` ascending.
        values: ``(n,)``; NaN: not measured.
    """
    measured = ~np.isnan(values)
    seconds, values = seconds[measured], values[measured]
    if len(values) <= POINTS:
        return seconds, values
    starts = np.arange(POINTS) * len(values) // POINTS
    counts = np.diff(starts, append=len(values))
    return np.add.reduceat(seconds, starts) / counts, np.add.reduceat(values, starts) / counts


def _chart(spec: ChartSpec, seconds: Float64, metrics: pa.Table) -> Chart | None:
    columns = {
        name: metrics[name].to_numpy().astype(np.float64) / spec.scale
        for name in spec.lines
        if name in metrics.column_names
    }
    if not columns:
        return None
    top = spec.top or _round_top(max(float(np.nanmax(values)) for values in columns.values()))
    end_s = float(seconds[-1])
    title = f"{spec.title}, {spec.unit}" if spec.unit else spec.title
    unit = f" {spec.unit}" if spec.unit else ""
    lines = [
        _line(*decimated(seconds, values), end_s, top, f"line l{i}")
        for i, values in enumerate(columns.values())
    ]
    legend = [
        f"{spec.lines[name]}: mean {number(float(np.nanmean(values)))}, "
        f"max {number(float(np.nanmax(values)))}{unit}"
        for name, values in columns.items()
    ]
    svg = Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{} over {} of the run">'
        "{}{}</svg>"
    ).format(WIDTH, HEIGHT, title, clock(end_s), _axes(end_s, top), Markup("").join(lines))
    return Chart(title, svg, legend)


def _line(seconds: Float64, values: Float64, end_s: float, top: float, css_class: str) -> Markup:
    x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / end_s
    y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * np.minimum(values / top, 1.0)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return Markup('<polyline class="{}" points="{}"/>').format(css_class, points)


def _axes(end_s: float, top: float) -> Markup:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    middle = (TOP + bottom) / 2
    labels: Sequence[tuple[float, float, str, str]] = (
        (LEFT - 4, TOP + 4, "end", number(top)),
        (LEFT - 4, middle + 4, "end", number(top / 2)),
        (LEFT - 4, bottom + 3, "end", "0"),
        (LEFT, HEIGHT - 4, "start", "0:00:00"),
        (right, HEIGHT - 4, "end", clock(end_s)),
    )
    texts = Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(*of) for of in labels
    )
    grid = f"M{LEFT} {TOP}H{right}M{LEFT} {middle}H{right}M{LEFT} {bottom}H{right}"
    return Markup('<path class="grid" d="{}"/>{}').format(grid, texts)


def _round_top(largest: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... that is at least ``largest``."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= largest))
