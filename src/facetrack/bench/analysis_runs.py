"""The whole analysis, cold and warm, and whether every run gave the same, bit for bit."""

import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from facetrack import api
from facetrack.bench.memory import peak_mib
from facetrack.bench.process import in_own_process
from facetrack.bench.stages import settings_for
from facetrack.core.errors import FacetrackError
from facetrack.pipeline.engine import open_engine
from facetrack.timeline import Analysis

FEW_FRAMES = 5
"""Of the queue in the run that is to show that thread timing changes nothing."""


def analysed(
    video: Path, started: float, *, repeat: int, device: str, queue_frames: int | None = None
) -> dict[str, Any]:
    """In a fresh process: one cold analysis, then ``repeat`` warm ones with the same engine.

    ``cold_s`` has the making of the engine and its graphs in it, ``process_s`` the start of the
    process and the imports too; ``cold_peak_mib`` is the memory of one analysis alone.
    """
    settings = settings_for(device)
    if queue_frames is not None:
        settings = replace(settings, decode=replace(settings.decode, queue_frames=queue_frames))
    begun = time.perf_counter()
    engine = open_engine(settings.detection, settings.identity)
    analysis = api.analyze(video, settings, engine=engine)
    cold_s = time.perf_counter() - begun
    process_s = time.time() - started
    cold_peak_mib = peak_mib()
    digests, warm_s = [digest(analysis)], []
    for _ in range(repeat):
        begun = time.perf_counter()
        analysis = api.analyze(video, settings, engine=engine)
        warm_s.append(time.perf_counter() - begun)
        digests.append(digest(analysis))
    return {
        "engine": engine.name,
        "frames": analysis.info.frame_count,
        "faces": analysis.faces.num_rows,
        "people": len(analysis.people),
        "cold_s": round(cold_s, 4),
        "process_s": round(process_s, 4),
        "cold_peak_mib": cold_peak_mib,
        "warm_s": [round(s, 4) for s in warm_s],
        "digests": digests,
        "stages": analysis.performance["stages"],
        "metrics": analysis.performance["metrics"],
    }


def digest(analysis: Analysis) -> str:
    """SHA-256 over every row of the faces, the frames' times and the embeddings."""
    whole = hashlib.sha256()
    for name in analysis.faces.column_names:
        whole.update(name.encode())
        whole.update(_bytes(analysis.faces[name].combine_chunks()))
    whole.update(analysis.frame_times.tobytes())
    for track in sorted(analysis.embeddings):
        whole.update(str(track).encode())
        whole.update(np.ascontiguousarray(analysis.embeddings[track]).tobytes())
    return whole.hexdigest()


def _bytes(column: pa.Array) -> bytes:
    """The values alone: Arrow's own buffers may have unused bytes in them."""
    if pa.types.is_string(column.type):
        return "\n".join(column.to_pylist()).encode()
    flat = column.flatten() if pa.types.is_nested(column.type) else column
    return bytes(flat.to_numpy(zero_copy_only=True).tobytes())  # a copy may be of pointers


def warm_shares(repeat: int) -> list[int]:
    """Warm runs of each process: two processes, so that what runs beside it changes sides."""
    return [n for n in (repeat - repeat // 2, repeat // 2) if n]


def few_frames_run(video: Path, device: str) -> dict[str, Any]:
    """One analysis in which decoder and networks wait for each other all the time."""
    return in_own_process("analysis", video, repeat=0, device=device, queue_frames=FEW_FRAMES)


def summary(video: Path, runs: Sequence[dict[str, Any]], few: dict[str, Any]) -> dict[str, Any]:
    """Joins the processes' answers.

    Raises:
        FacetrackError: when two runs gave different results.
    """
    require_same(video, [*runs, few])
    first = runs[0]
    frames = first["frames"]
    cold_s = min(run["cold_s"] for run in runs)
    warm_s = [s for run in runs for s in run["warm_s"]]
    return {
        "engine": first["engine"],
        "frames": frames,
        "faces": first["faces"],
        "people": first["people"],
        "cold_seconds": cold_s,
        "cold_frames_per_second": round(frames / cold_s, 2),
        "process_seconds": min(run["process_s"] for run in runs),
        "warm_seconds": warm_s,
        "warm_seconds_best": min(warm_s),
        "warm_seconds_median": round(statistics.median(warm_s), 4),
        "warm_frames_per_second": round(frames / min(warm_s), 2),
        "cold_peak_mib": max(r["cold_peak_mib"] or 0.0 for r in runs) or None,
        "peak_mib": max(r["peak_mib"] or 0.0 for r in runs) or None,
        "others_cores": max(
            (r["others_cores"] for r in runs if r["others_cores"] is not None), default=None
        ),
        "stages": first["stages"],
        "metrics": first["metrics"],
        "digest": first["digests"][0],
        "runs_compared": sum(len(run["digests"]) for run in [*runs, few]),
        "few_frames": {
            "queue_frames": FEW_FRAMES,
            "seconds": few["cold_s"],
            "peak_mib": few["peak_mib"],
            "digest": few["digests"][0],
        },
    }


def require_same(video: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Of runs on one input everything must be the same, bit by bit.

    Raises:
        FacetrackError: when it is not.
    """
    digests = {d for run in runs for d in run["digests"]}
    if len(digests) > 1:
        short = ", ".join(sorted(d[:12] for d in digests))
        raise FacetrackError(
            f"{video}: runs on the same input gave different results (digests {short}); "
            "that is a fault of facetrack, report it with the video"
        )
