"""Times the whole analysis, cold and warm, and checks that all runs give the same result."""

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
from facetrack.core.errors import FacetrackError
from facetrack.pipeline.engine import open_engine
from facetrack.timeline import Analysis
from facetrack_bench.measuring import peak_mib
from facetrack_bench.stages import settings_for
from facetrack_bench.worker import in_own_process

FEW_FRAMES = 5
"""Length of the frame queue in one more run. Decoder and networks wait for each other all the time
there; the run shows that the timing of threads does not change the result."""


def analysed(
    video: Path, started: float, *, repeat: int, device: str, queue_frames: int | None = None
) -> dict[str, Any]:
    """Analyses a video once cold, then ``repeat`` times warm with the same engine.

    Runs in a fresh process. ``cold_s`` includes opening the engine and compiling its graphs;
    ``process_s`` also includes the start of the process and the imports. ``cold_peak_mib`` is the
    peak memory of the cold analysis alone.
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
    """SHA-256 over all rows of the faces, all frame times and all embeddings."""
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
    """The values alone: Arrow's own buffers may hold unused bytes."""
    if pa.types.is_string(column.type):
        return "\n".join(column.to_pylist()).encode()
    flat = column.flatten() if pa.types.is_nested(column.type) else column
    return bytes(flat.to_numpy(zero_copy_only=True).tobytes())  # copies may hold pointers


def warm_shares(repeat: int) -> list[int]:
    """Number of warm runs in each process.

    They are spread over two processes that take turns with the plain loop, so that other programs
    at work disturb both.
    """
    return [n for n in (repeat - repeat // 2, repeat // 2) if n]


def few_frames_run(video: Path, device: str) -> dict[str, Any]:
    """One analysis with a queue of ``FEW_FRAMES`` frames."""
    return in_own_process("analysis", video, repeat=0, device=device, queue_frames=FEW_FRAMES)


def summary(video: Path, runs: Sequence[dict[str, Any]], few: dict[str, Any]) -> dict[str, Any]:
    """Merges the results of several processes into ``analysis`` of ``bench.json``.

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
    """Checks that all runs on one video gave the same result, bit for bit.

    Raises:
        FacetrackError: when they did not.
    """
    digests = {d for run in runs for d in run["digests"]}
    if len(digests) > 1:
        short = ", ".join(sorted(d[:12] for d in digests))
        raise FacetrackError(
            f"{video}: runs on the same input gave different results (digests {short}); "
            "this is a bug in facetrack; please report it with the video"
        )
