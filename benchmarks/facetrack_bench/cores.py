"""How the analysis of one video grows with the cores that it may use.

Each run is in a process of its own that may use the first 1, 2, 4 ... cores. All must give the same
bits.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facetrack import api
from facetrack.core.errors import FacetrackError, UsageError
from facetrack.runtime.process import usable_cores
from facetrack_bench.analysis_runs import digest
from facetrack_bench.measuring import disturbed
from facetrack_bench.worker import in_own_process


def scaling(video: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Frames a second on 1, 2, 4 ... cores, and on all; and how many times one core that is.

    Raises:
        UsageError: where a process cannot be kept on some of the cores.
        FacetrackError: when two runs gave different results.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("--cores needs a system that can keep a process on some cores, as Linux")
    most = usable_cores()
    counts = sorted({1 << i for i in range(most.bit_length()) if 1 << i <= most} | {most})
    runs = []
    for cores in counts:
        say(f"{video.name} on {cores} of {most} cores")
        runs.append(in_own_process("cores", video, cores=cores) | {"cores": cores})
    if len({run["digest"] for run in runs}) > 1:
        raise FacetrackError(f"{video}: another number of cores gave another result")
    alone = runs[0]["frames_per_second"]
    for run in runs:
        run["times_one"] = round(run["frames_per_second"] / alone, 2)
        run["disturbed"] = disturbed(run["others_cores"])
    return {"video": str(video), "runs": runs}


def analysis_on(video: Path, _started: float, cores: int) -> dict[str, Any]:
    """Analyses the video on the first cores, with a process for each; for ``in_own_process``."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    begun = time.perf_counter()
    analysis = api.analyze(video, jobs=cores)
    seconds = time.perf_counter() - begun
    frames = len(analysis.frame_times)
    return {
        "frames": frames,
        "seconds": round(seconds, 2),
        "frames_per_second": round(frames / seconds, 1),
        "workers": analysis.performance["workers"],
        "chunks": analysis.performance["chunks"],
        "digest": digest(analysis),
    }
