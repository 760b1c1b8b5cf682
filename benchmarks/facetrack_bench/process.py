"""Measures in a process of its own: nothing is warm there, and its peak memory is its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from facetrack_bench.disturbance import Watch
from facetrack.core import errors


def in_own_process(what: str, video: Path, **options: Any) -> dict[str, Any]:
    """What ``facetrack_bench.worker`` answers to one job; ``others_cores`` says who disturbed it.

    Raises:
        FacetrackError: as the worker did, or with the last line of what it said.
    """
    job = {"what": what, "video": str(video), "started": time.time(), "options": options}
    watch = Watch()
    done = subprocess.run(
        [sys.executable, "-m", "facetrack_bench.worker", json.dumps(job)],
        capture_output=True,
        text=True,
        check=False,
    )
    others_cores = watch.others_cores()
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise errors.FacetrackError(
            f"{video}: measuring {what} ended with code {done.returncode}: {said}"
        ) from None
    if "error" in answer:
        kind: type[errors.FacetrackError] = getattr(errors, answer["kind"])
        raise kind(answer["error"])
    return {**answer, "others_cores": others_cores}
