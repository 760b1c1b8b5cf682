"""``overlap.png``: what the GPU does at the same time, in a short stretch of an analysis.

From a trace of torch's profiler. It knows streams by number alone, so what a stream is for is
told by the kernels that run on it; the decoder's own engines are not in it, only their copies.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from facetrack import api
from facetrack.bench.stages import settings_for
from facetrack.core.atomic_write import atomic_write
from facetrack.pipeline.engine import open_engine
from facetrack.runtime.metrics import Sample

AFTER_FRAMES, FOR_FRAMES = 1024, 1024
"""Of the video, before the trace begins and while it runs: a GPU decodes a thousand ahead, and the
trace lacks what was begun before it."""
SHOWN_MS = 250.0

WIDTH, MARGIN, LABELS, LANE = 1200, 30, 150, 26
INK, FAINT, GRID, PAPER = "#1f2933", "#616e7c", "#d9dee4", "#ffffff"
DECODE, DETECT, EMBED, CUT, BACK, UP = (
    "decoded frames", "detection", "embedding", "face cuts", "copy back", "upload"
)  # fmt: skip
COLOURS = {
    DECODE: "#6a9a6a", DETECT: "#1f5fa8", EMBED: "#c98a2b",
    CUT: "#8a6fb0", BACK: "#b42318", UP: "#4a4a4a",
}  # fmt: skip


class Work(NamedTuple):
    """A piece of work on the GPU, from and to in milliseconds of the trace."""

    lane: str
    start_ms: float
    end_ms: float


def record_overlap(video: Path, image: str) -> dict[str, Any]:
    """Writes the frame; returns how much of the stretch each lane was at work."""
    settings = settings_for("cuda")
    engine = open_engine(settings.detection, settings.identity)
    api.analyze(video, settings, engine=engine)  # all graphs are made
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]):
        pass  # the first one takes a second to make ready
    trace = profile(activities=[ProfilerActivity.CUDA])
    running = over = False

    def watch(sample: Sample) -> None:
        nonlocal running, over
        if not running and not over and sample["frames"] >= AFTER_FRAMES:
            trace.start()
            running = True
        elif running and sample["frames"] >= AFTER_FRAMES + FOR_FRAMES:
            trace.stop()
            running, over = False, True

    api.analyze(video, settings, engine=engine, on_sample=watch)
    if running:
        trace.stop()
    elif not over:
        return {"note": f"shorter than {AFTER_FRAMES} frames: no picture"}
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "trace.json"
        trace.export_chrome_trace(str(path))
        works = list(lanes(json.loads(path.read_text())["traceEvents"]))
    shown = _middle(works)
    with atomic_write(Path(image)) as path:
        draw_overlap(shown, engine.name).save(path, format="PNG")
    return {lane: round(_busy_ms(of), 3) for lane, of in _by_lane(shown).items()}


def lanes(events: Iterable[dict[str, Any]]) -> Iterator[Work]:
    """The trace's work on the GPU, each piece in its lane; several decoders are told apart."""
    work = [e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    kernels: dict[int, set[str]] = defaultdict(set)
    for event in work:
        if event["cat"] == "kernel":
            kernels[event["args"]["stream"]].add(event["name"])
    decoders = sorted(s for s, names in kernels.items() if "_gather" in names)
    for event in work:
        stream, start_ms = event["args"]["stream"], event["ts"] / 1e3
        name, end_ms = event["name"], (event["ts"] + event["dur"]) / 1e3
        if stream in decoders:
            lane = f"{DECODE} {decoders.index(stream) + 1}"
        elif "DtoH" in name:
            lane = BACK
        elif "HtoD" in name:
            lane = UP
        elif "_first" in kernels[stream]:
            lane = DETECT
        elif "_chip" in kernels[stream] and not any("gemm" in k for k in kernels[stream]):
            lane = CUT
        else:
            lane = EMBED
        yield Work(lane, start_ms, end_ms)


def draw_overlap(works: list[Work], title: str) -> Image.Image:
    """One lane a row, time from left to right."""
    by_lane = _by_lane(works)
    height = 2 * MARGIN + 60 + LANE * len(by_lane)
    image = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(image)
    begin = min(w.start_ms for w in works)
    left, right, top = MARGIN + LABELS, WIDTH - MARGIN - 60, MARGIN + 40
    scale = (right - left) / SHOWN_MS
    draw.text((MARGIN, MARGIN - 12), f"What the GPU does at once: {title}", INK, _font(18))
    for ms in range(0, int(SHOWN_MS) + 1, 50):
        x, foot = left + ms * scale, top + LANE * len(by_lane)
        draw.line([(x, top), (x, foot)], GRID)
        draw.text((x, foot + 4), f"{ms} ms", FAINT, _font(13), anchor="ma")
    for i, (lane, of) in enumerate(by_lane.items()):
        y = top + LANE * i + LANE // 2
        draw.text((left - 10, y), lane, INK, _font(14), anchor="rm")
        colour = next(c for name, c in COLOURS.items() if lane.startswith(name))
        for work in of:
            box = [left + (t - begin) * scale for t in (work.start_ms, work.end_ms)]
            draw.rectangle([box[0], y - 9, max(box[1], box[0]), y + 9], colour)
        share = 100 * _busy_ms(of) / SHOWN_MS
        draw.text((right + 10, y), f"{share:.0f} %", FAINT, _font(14), anchor="lm")
    return image


def _middle(works: list[Work]) -> list[Work]:
    """A stretch of ``SHOWN_MS``."""
    begin, end = min(w.start_ms for w in works), max(w.end_ms for w in works)
    first = max(begin, (begin + end - SHOWN_MS) / 2)
    return [w for w in works if first <= w.start_ms and w.end_ms <= first + SHOWN_MS]


def _by_lane(works: list[Work]) -> dict[str, list[Work]]:
    found: dict[str, list[Work]] = defaultdict(list)
    for work in sorted(works):
        found[work.lane].append(work)
    order = list(COLOURS)
    return dict(
        sorted(found.items(), key=lambda item: next(
            (i, item[0]) for i, name in enumerate(order) if item[0].startswith(name)
        ))
    )  # fmt: skip


def _busy_ms(works: Iterable[Work]) -> float:
    """Milliseconds in which at least one of them runs."""
    busy, until = 0.0, float("-inf")
    for work in sorted(works, key=lambda w: w.start_ms):
        busy += max(0.0, work.end_ms - max(until, work.start_ms))
        until = max(until, work.end_ms)
    return busy


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
