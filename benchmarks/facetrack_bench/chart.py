"""``bench.png``: frames a second of each video's stages, and how cost grows."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from facetrack_bench.report import GROWTHS, STAGES, WARNING, growth_disturbed, title

WIDTH, MARGIN = 1200, 40
LINE, BAR = 30, 20
LABELS = 270
"""Pixels at the left for the bars' names."""
SMALL_HEIGHT = 260
INK, FAINT, GRID, PAPER, ALARM = "#1f2933", "#616e7c", "#d9dee4", "#ffffff", "#b42318"
STAGE, WHOLE, OTHER, MEMORY = "#8fb3d9", "#1f5fa8", "#c98a2b", "#6a9a6a"
PER_FRAME = ("decode", "shots", "pnet", "cascade", "temporal", "tracker")
"""The stages whose unit is a frame or a frame, so that they can stand side by side."""


class Bar(NamedTuple):
    """One bar of the chart; a ``value`` of None is not drawn, its note is."""

    label: str
    value: float | None
    colour: str
    note: str = ""


def draw_chart(report: dict[str, Any]) -> Image.Image:
    """One block of bars a video; under them the growth, one column for each kind."""
    blocks = [(video, _bars(video)) for video in report["videos"]]
    growth = report["growth"]
    height = 2 * MARGIN + 70 + sum(LINE * (len(bars) + 4) for _, bars in blocks)
    height += 2 * (SMALL_HEIGHT + 50) + LINE if growth else -MARGIN
    image = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(image)
    y = _heading(draw, report)
    for video, bars in blocks:
        y = _rows(draw, y, title(video), bars)
        if video["disturbed"]:
            draw.text((MARGIN, y - 58), WARNING, ALARM, font=_font(15))
    if growth:
        _growth(draw, y, growth)
    return image


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


def _heading(draw: ImageDraw.ImageDraw, report: dict[str, Any]) -> int:
    machine, versions = report["machine"], report["versions"]
    engine = report["videos"][0]["analysis"]["engine"]
    library = "torch" if engine.startswith("torch") else "openvino"
    facts = (
        f"{machine['GPU'] or machine['cpu']}, {machine['cores']} cores   "
        f"facetrack {versions['facetrack']}, {engine}, {library} {versions[library]}   "
        f"{report['date'][:10]}"
    )
    draw.text((MARGIN, MARGIN - 10), "facetrack bench", INK, font=_font(26))
    draw.text((MARGIN, MARGIN + 26), facts, FAINT, font=_font(15))
    return MARGIN + 70


def _rows(draw: ImageDraw.ImageDraw, y: int, name: str, bars: Sequence[Bar]) -> int:
    """Bars on a logarithmic scale of frames a second; returns where the next block begins."""
    draw.text((MARGIN, y), name, INK, font=_font(18))
    draw.text(
        (WIDTH - MARGIN - 230, y), "frames/s, logarithmic", FAINT, font=_font(14), anchor="ra"
    )
    left, right, top = MARGIN + LABELS, WIDTH - MARGIN - 230, y + LINE
    known = [bar.value for bar in bars if bar.value]
    low = math.floor(math.log10(min(known, default=1.0)) - 0.01)
    high = max(low + 1, math.ceil(math.log10(max(known, default=10.0))))
    for power in range(low, high + 1):
        x = left + (right - left) * (power - low) / (high - low)
        draw.line([(x, top), (x, top + LINE * len(bars))], GRID)
        draw.text((x, top + LINE * len(bars) + 2), f"{10**power:g}", FAINT, _font(13), anchor="ma")
    for i, bar in enumerate(bars):
        middle = top + LINE * i + LINE // 2
        draw.text((left - 10, middle), bar.label, INK, font=_font(15), anchor="rm")
        end = float(left)
        if bar.value:
            end += (right - left) * (math.log10(bar.value) - low) / (high - low)
            draw.rectangle([left, middle - BAR // 2, end, middle + BAR // 2], bar.colour)
        said = f"{_short(bar.value)}{bar.note}" if bar.value else bar.note or "nothing to do"
        draw.text((end + 8, middle), said, INK, font=_font(15), anchor="lm")
    return top + LINE * (len(bars) + 3)


def _growth(draw: ImageDraw.ImageDraw, y: int, growth: dict[str, Any]) -> None:
    if growth_disturbed(growth):
        draw.text((MARGIN, y), WARNING, ALARM, font=_font(15))
        y += LINE
    column = (WIDTH - 2 * MARGIN) // 3
    for i, (kind, name) in enumerate(GROWTHS.items()):
        x, rows = MARGIN + i * column, growth[kind] or []
        times = [
            Bar(row["label"], 1000 * row["warm_seconds"] / row["frames"], WHOLE) for row in rows
        ]
        memory = [Bar(row["label"], row["cold_peak_mib"], MEMORY) for row in rows]
        charts = (
            (times, f"ms a frame, by {name}"),
            (memory, f"peak MiB of one analysis, by {name}"),
        )
        for j, (bars, caption) in enumerate(charts):
            top = y + j * (SMALL_HEIGHT + 50)
            draw.text((x, top), caption, INK, font=_font(16))
            if bars:
                _columns(draw, x, top + 30, column - 40, bars)
            else:
                draw.text((x, top + 60), "nobody in the video", FAINT, font=_font(15))


def _columns(draw: ImageDraw.ImageDraw, x: int, y: int, width: int, bars: Sequence[Bar]) -> None:
    """Upright bars from zero, linear."""
    most = max((bar.value or 0.0 for bar in bars), default=0.0) or 1.0
    foot, each = y + SMALL_HEIGHT - 40, width / len(bars)
    tallest = foot - y - 24
    for i, bar in enumerate(bars):
        middle, value = x + each * (i + 0.5), bar.value or 0.0
        top = foot - tallest * value / most
        draw.rectangle([middle - each * 0.32, top, middle + each * 0.32, foot], bar.colour)
        said = "-" if bar.value is None else _short(bar.value)
        draw.text((middle, top - 4), said, INK, font=_font(14), anchor="mb")
        draw.text((middle, foot + 6), bar.label, FAINT, font=_font(14), anchor="ma")
    draw.line([(x, foot), (x + width, foot)], FAINT)


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
