"""Draws ``bench.png``: frames per second of each video's stages, and how cost grows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from facetrack_bench.report import GROWTHS, STAGES, WARNING, growth_disturbed, title

WIDTH_IN, DPI = 12.0, 100
BAR_IN, GROWTH_IN, SPACE_IN = 0.3, 2.2, 1.0
"""Height of a bar, of a chart of growth, and of titles and labels around each chart; inches."""
STAGE, WHOLE, OTHER, MEMORY = "#8fb3d9", "#1f5fa8", "#c98a2b", "#6a9a6a"
ALARM, FAINT, GRID = "#b42318", "#616e7c", "#d9dee4"
PER_FRAME = ("decode", "shots", "pnet", "cascade", "temporal", "tracker")
"""The stages that are measured per frame, so that their bars can be compared."""


class Bar(NamedTuple):
    """One bar of a chart; without a ``value`` only its ``note`` is written."""

    label: str
    value: float | None
    colour: str
    note: str = ""


def draw_chart(report: dict[str, Any], path: Path) -> None:
    """Draws one chart per video and, below them, six charts of growth; writes a PNG.

    Args:
        report: the content of ``bench.json``.
        path: file to write.
    """
    blocks = [(video, _bars(video)) for video in report["videos"]]
    growth = report["growth"]
    heights = [SPACE_IN + BAR_IN * len(bars) for _, bars in blocks]
    if growth:
        heights += [SPACE_IN + GROWTH_IN] * 2
    figure = Figure((WIDTH_IN, 0.6 + sum(heights)), dpi=DPI, layout="constrained")
    figure.suptitle(_heading(report), fontsize=11)
    rows = figure.add_gridspec(len(heights), len(GROWTHS), height_ratios=heights)
    for row, (video, bars) in enumerate(blocks):
        _draw_rates(figure.add_subplot(rows[row, :]), video, bars)
    if growth:
        for column, (kind, name) in enumerate(GROWTHS.items()):
            measured = growth[kind] or []
            times = [1000 * m["warm_seconds"] / m["frames"] for m in measured]
            memory = [m["cold_peak_mib"] for m in measured]
            labels = [m["label"] for m in measured]
            of_time = figure.add_subplot(rows[len(blocks), column])
            of_memory = figure.add_subplot(rows[len(blocks) + 1, column])
            _draw_growth(of_time, f"ms per frame, by {name}", labels, times, WHOLE)
            _draw_growth(of_memory, f"peak MiB, by {name}", labels, memory, MEMORY)
        if growth_disturbed(growth):
            figure.supxlabel(WARNING, color=ALARM, fontsize=10)
    figure.savefig(path, format="png")


def _heading(report: dict[str, Any]) -> str:
    machine, versions = report["machine"], report["versions"]
    engine = report["videos"][0]["analysis"]["engine"]
    library = "torch" if engine.startswith("torch") else "openvino"
    return (
        f"facetrack bench: {machine['gpu'] or machine['cpu']}, {machine['cores']} cores\n"
        f"facetrack {versions['facetrack']}, {engine}, {library} {versions[library]}, "
        f"{report['date'][:10]}"
    )


def _bars(video: dict[str, Any]) -> list[Bar]:
    found, plain, ratios = video["analysis"], video["reference"], video["ratios"]
    times = "" if plain is None else f"   {ratios['warm']:.1f} x the plain loop"
    stages = video["stages"]
    bars = [Bar(STAGES[s], stages[s]["per_second"], STAGE) for s in PER_FRAME if s in stages]
    bars.append(Bar("whole analysis, cold", found["cold_frames_per_second"], WHOLE))
    bars.append(Bar("whole analysis, warm", found["warm_frames_per_second"], WHOLE, times))
    rate = plain and plain["frames_per_second"]
    note = "" if plain else video["reference_note"]
    return [*bars, Bar("plain facenet-pytorch loop", rate, OTHER, note)]


def _draw_rates(axes: Axes, video: dict[str, Any], bars: Sequence[Bar]) -> None:
    """Horizontal bars on a logarithmic scale of frames per second."""
    values = [bar.value or 0.0 for bar in bars]
    least = min((value for value in values if value), default=1.0)
    left = least / 2
    labels, colours = [bar.label for bar in bars], [bar.colour for bar in bars]
    axes.barh(labels, values, log=True, color=colours)
    for row, bar in enumerate(bars):
        note = f"{_short(bar.value)}{bar.note}" if bar.value else bar.note or "nothing to do"
        axes.annotate(
            note, (bar.value or left, row), (4, 0), textcoords="offset points", va="center"
        )
    axes.invert_yaxis()
    axes.set_xlim(left, 8 * max([*values, 10.0]))  # the notes need room at the right
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title(video), loc="left", fontsize=11)
    axes.set_xlabel("frames per second, logarithmic", color=FAINT)
    _plain(axes, "x")
    if video["disturbed"]:
        axes.text(0.0, -0.2, WARNING, color=ALARM, transform=axes.transAxes, va="top")


def _draw_growth(
    axes: Axes, caption: str, labels: Sequence[str], values: Sequence[float | None], colour: str
) -> None:
    """Vertical bars from zero, on a linear scale."""
    axes.set_title(caption, loc="left", fontsize=10)
    if not labels:
        axes.text(0.5, 0.5, "the video shows nobody", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    drawn = axes.bar(labels, [value or 0.0 for value in values], color=colour)
    axes.bar_label(drawn, ["-" if value is None else _short(value) for value in values])
    axes.margins(y=0.15)
    _plain(axes, "y")


def _plain(axes: Axes, grid: str) -> None:
    axes.grid(axis="x" if grid == "x" else "y", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def draw_scaling(report: dict[str, Any], path: Path) -> None:
    """Draws how many times one core each number of cores is; writes a PNG.

    Args:
        report: the content of ``bench.json``, with ``cores``.
        path: file to write.
    """
    figure = Figure((WIDTH_IN, SPACE_IN + 2 * GROWTH_IN), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    every: set[int] = set()
    for video in report["cores"]:
        cores = [run["cores"] for run in video["runs"]]
        times = [run["times_one"] for run in video["runs"]]
        axes.plot(cores, times, marker="o", label=Path(video["video"]).name)
        for x, y, run in zip(cores, times, video["runs"], strict=True):
            axes.annotate(f"{run['frames_per_second']:.0f}/s", (x, y), xytext=(4, -12),
                          textcoords="offset points", fontsize=8)  # fmt: skip
        every.update(cores)
    most = max(every)
    axes.set_xticks(sorted(every))
    axes.plot([1, most], [1, most], color="0.7", linestyle="--", label="as many times as cores")
    axes.set_xlabel("cores")
    axes.set_ylabel("times one core")
    axes.legend()
    figure.savefig(path, format="png")
