"""Small line charts of the samples of a run, drawn as SVG that the page's colours apply to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facetrack.report.text import clock, escaped, number

Float64 = NDArray[np.float64]

POINTS = 240
"""Of a line, at most; of more samples each point is the mean of those beside each other."""
WIDTH, HEIGHT = 320, 120
LEFT, RIGHT, TOP, BOTTOM = 34, 6, 8, 18
"""Around the lines, for the axes' labels."""
MIB = 2.0**20


@dataclass(frozen=True)
class Chart:
    """One quantity over time, as one or several lines."""

    title: str
    lines: dict[str, str]
    """Column of the samples to what the legend calls it."""
    unit: str = ""
    scale: float = 1.0
    """What a value is divided by."""
    top: float | None = None
    """Of the axis; None: the largest value."""


CHARTS = (
    Chart(
        "Utilisation",
        {
            "gpu_percent": "GPU",
            "cpu_percent": "this process, of all cores",
            "machine_cpu_percent": "all processes",
            "gpu_decoder_percent": "GPU's decoder",
        },
        "%",
        top=100.0,
    ),
    Chart(
        "Memory",
        {"rss_bytes": "this process", "gpu_memory_bytes": "GPU, everybody"},
        "MiB",
        MIB,
    ),
    Chart(
        "Queue depth",
        {"queued_frames": "wait for the networks", "untracked_frames": "wait for the tracker"},
        "frames",
    ),
    Chart("Batch size", {"batch_size": "frames a batch, at most"}),
    Chart("Speed", {"frames_per_second": "frames/s"}),
)


def run_charts(metrics: pa.Table) -> str:
    """HTML of all charts of which something is known."""
    if len(metrics) < 2:
        return "<p>The run was too short to be sampled.</p>"
    seconds = metrics["seconds"].to_numpy()
    drawn = [_figure(chart, seconds, metrics) for chart in CHARTS]
    return f'<div class="charts">{"".join(drawn)}</div>'


def thinned(seconds: Float64, values: Float64) -> tuple[Float64, Float64]:
    """At most ``POINTS`` points, each the mean of samples beside each other; NaN is not known.

    Args:
        seconds: ``(n,)`` ascending.
        values: ``(n,)``
    """
    known = ~np.isnan(values)
    seconds, values = seconds[known], values[known]
    if len(values) <= POINTS:
        return seconds, values
    starts = np.arange(POINTS) * len(values) // POINTS
    counts = np.diff(starts, append=len(values))
    return np.add.reduceat(seconds, starts) / counts, np.add.reduceat(values, starts) / counts


def _figure(chart: Chart, seconds: Float64, metrics: pa.Table) -> str:
    known = {
        name: metrics[name].to_numpy().astype(np.float64) / chart.scale
        for name in chart.lines
        if name in metrics.column_names
    }
    if not known:
        return ""
    top = chart.top or _round_top(max(float(np.nanmax(values)) for values in known.values()))
    end_s = float(seconds[-1])
    lines, legend = [], []
    for i, (name, values) in enumerate(known.items()):
        lines.append(_line(*thinned(seconds, values), end_s, top, f"line l{i}"))
        unit = f" {chart.unit}" if chart.unit else ""
        legend.append(
            f'<li><svg class="key" viewBox="0 0 24 6" aria-hidden="true">'
            f'<path class="line l{i}" d="M0 3H24"/></svg>{escaped(chart.lines[name])}: mean '
            f"{number(float(np.nanmean(values)))}, "
            f"most {number(float(np.nanmax(values)))}{unit}</li>"
        )
    title = escaped(chart.title) + (f", {escaped(chart.unit)}" if chart.unit else "")
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{title} over {clock(end_s)} of the run">'
        f"{_axes(end_s, top)}{''.join(lines)}</svg><ul>{''.join(legend)}</ul></figure>"
    )


def _line(seconds: Float64, values: Float64, end_s: float, top: float, kind: str) -> str:
    x = LEFT + (WIDTH - LEFT - RIGHT) * seconds / end_s
    y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * np.minimum(values / top, 1.0)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _axes(end_s: float, top: float) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    middle = (TOP + bottom) / 2
    labels: Sequence[tuple[float, float, str, str]] = (
        (LEFT - 4, TOP + 4, "end", number(top)),
        (LEFT - 4, middle + 4, "end", number(top / 2)),
        (LEFT - 4, bottom + 3, "end", "0"),
        (LEFT, HEIGHT - 4, "start", "0:00:00"),
        (right, HEIGHT - 4, "end", clock(end_s)),
    )
    texts = [
        f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
        for x, y, anchor, text in labels
    ]
    return (
        f'<path class="grid" d="M{LEFT} {TOP}H{right}M{LEFT} {middle}H{right}M{LEFT} {bottom}'
        f'H{right}"/>{"".join(texts)}'
    )


def _round_top(largest: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not below it."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= largest))
