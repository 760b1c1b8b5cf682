"""Draws ``overlap.png``: what the GPU does at the same time, in a short part of an analysis.

It comes from a trace of torch's profiler. The trace knows streams by number only, so the kernels
that run on a stream tell what it is for. The engines of the video decoder are not in the trace,
only their copies.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from facetrack import api
from facetrack.core.atomic_write import atomic_write
from facetrack.pipeline.engine import open_engine
from facetrack.runtime.metrics import Sample
from facetrack_bench.stages import settings_for

AFTER_FRAMES, FOR_FRAMES = 1024, 1024
"""Frames of the video before the trace begins, and frames that it covers. A GPU decodes a thousand
frames ahead, and the trace lacks what was begun before it."""
SHOWN_MS = 250.0
"""Milliseconds of the trace that are drawn."""

DECODE, DETECT, EMBED, CROP, BACK, UP = (
    "decoded frames", "detection", "embedding", "face crops", "copy back", "upload"
)  # fmt: skip
COLOURS = {
    DECODE: "#6a9a6a", DETECT: "#1f5fa8", EMBED: "#c98a2b",
    CROP: "#8a6fb0", BACK: "#b42318", UP: "#4a4a4a",
}  # fmt: skip
DETECTING = {"_level", "_stem", "_suppress"}
"""Kernels that only a detector's stream runs: the pyramid, YuNet's first layer, suppression."""
CROPPING = {"_box_crop", "_aligned_crop"}
"""Kernels that cut face crops. Crops have a stream of their own, or share that of embedding."""
EMBEDDING = ("_separable", "_pool", "gemm")
"""Parts of the names of kernels that only the stream of embedding runs."""


class Work(NamedTuple):
    """One kernel or copy on the GPU; times in milliseconds of the trace."""

    lane: str
    start_ms: float
    end_ms: float


def record_overlap(video: Path, image: str) -> dict[str, Any]:
    """Traces an analysis on the GPU and draws its middle as a PNG to ``image``.

    Returns:
        Milliseconds in which each lane was at work; or a ``note`` where the video is too short.
    """
    settings = settings_for("cuda")
    engine = open_engine(settings.detection, settings.identity)
    api.analyze(video, settings, engine=engine)  # captures all graphs
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]):
        pass  # the first profile takes a second to start
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
        return {"note": f"the video is shorter than {AFTER_FRAMES} frames: no chart"}
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "trace.json"
        trace.export_chrome_trace(str(path))
        works = list(lanes(json.loads(path.read_text())["traceEvents"]))
    shown = _middle(works)
    with atomic_write(Path(image)) as path:
        draw_overlap(shown, engine.name, path)
    return {lane: round(_busy_ms(of), 3) for lane, of in _by_lane(shown).items()}


def lanes(events: Iterable[dict[str, Any]]) -> Iterator[Work]:
    """The kernels and copies of a Chrome trace, each with its lane; one lane per decoder."""
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
        elif kernels[stream] & DETECTING:
            lane = DETECT
        elif kernels[stream] & CROPPING and not _embeds(kernels[stream]):
            lane = CROP
        else:
            lane = EMBED
        yield Work(lane, start_ms, end_ms)


def _embeds(kernels: Iterable[str]) -> bool:
    return any(part in name for name in kernels for part in EMBEDDING)


def draw_overlap(works: list[Work], title: str, path: Path) -> None:
    """Draws one lane per row, time from left to right, as a PNG."""
    from matplotlib.figure import Figure

    by_lane = _by_lane(works)
    begin = min(w.start_ms for w in works)
    figure = Figure((12.0, 1.6 + 0.26 * len(by_lane)), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for row, (lane, of) in enumerate(by_lane.items()):
        colour = next(c for name, c in COLOURS.items() if lane.startswith(name))
        bars = [(w.start_ms - begin, w.end_ms - w.start_ms) for w in of]
        axes.broken_barh(bars, (row - 0.35, 0.7), facecolors=colour, linewidth=0)
        share = 100 * _busy_ms(of) / SHOWN_MS
        axes.text(SHOWN_MS * 1.01, row, f"{share:.0f} %", va="center")
    axes.set_yticks(range(len(by_lane)), list(by_lane))
    axes.invert_yaxis()
    axes.set_xlim(0.0, SHOWN_MS)
    axes.set_xlabel("ms")
    axes.grid(axis="x", color="#d9dee4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"What the GPU does at the same time: {title}", loc="left")
    figure.savefig(path, format="png")


def _middle(works: list[Work]) -> list[Work]:
    """The work in ``SHOWN_MS`` around the middle of the trace."""
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
    """Milliseconds in which at least one of these runs."""
    busy, until = 0.0, float("-inf")
    for work in sorted(works, key=lambda w: w.start_ms):
        busy += max(0.0, work.end_ms - max(until, work.start_ms))
        until = max(until, work.end_ms)
    return busy
