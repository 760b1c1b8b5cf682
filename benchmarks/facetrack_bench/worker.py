"""Runs one measurement in a process of its own, so that nothing is warm and memory is its own.

``in_own_process`` starts ``python -m facetrack_bench.worker JOB`` and reads one line of JSON.
JOB is JSON: ``what`` to measure, the ``video``, when the process was ``started`` (seconds since
the epoch), and the ``options`` of the measurement.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from facetrack.core import errors
from facetrack_bench.measuring import Watch, peak_mib

ROOT = Path(__file__).parents[1]
"""The folder that must be on the import path of the new process."""


def in_own_process(what: str, video: Path, **options: Any) -> dict[str, Any]:
    """Measures ``what`` ("analysis", "stages", "overlap", "cores", "rivals" ...) in a new process.

    Returns:
        What the measurement returned, with ``peak_mib`` of the process and ``others_cores``, the
        cores that other programs used meanwhile.

    Raises:
        FacetrackError: the measurement's own error, or the last line that a crashed process wrote.
    """
    job = {"what": what, "video": str(video), "started": time.time(), "options": options}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    watch = Watch()
    done = subprocess.run(
        [sys.executable, "-m", "facetrack_bench.worker", json.dumps(job)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    others_cores = watch.others_cores()
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise errors.FacetrackError(
            f"{video}: measuring {what} ended with code {done.returncode}: {reason}"
        ) from None
    if "error" in answer:
        kind: type[errors.FacetrackError] = getattr(errors, answer["kind"])
        raise kind(answer["error"])
    return {**answer, "others_cores": others_cores}


def main() -> None:
    """Runs the job given as the first argument; prints its result or error as one JSON line."""
    job = json.loads(sys.argv[1])
    try:
        answer = _measured(job["what"], Path(job["video"]), job["started"], job["options"])
    except errors.FacetrackError as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps({**answer, "peak_mib": peak_mib()}), flush=True)


def _measured(what: str, video: Path, started: float, options: dict[str, Any]) -> dict[str, Any]:
    """Imports only what is measured, so that no measurement pays for another's libraries."""
    if what == "analysis":
        from facetrack_bench.analysis_runs import analysed

        return analysed(video, started, **options)
    if what == "stages":
        from facetrack_bench.stages import stages_alone

        return stages_alone(video, **options)
    if what == "overlap":
        from facetrack_bench.overlap import record_overlap

        return record_overlap(video, **options)
    if what == "cores":
        from facetrack_bench.cores import analysis_on

        return analysis_on(video, started, **options)
    if what == "rivals":
        from facetrack_bench.rivals import measured_program

        return measured_program(video, **options)
    from facetrack_bench.reference import plain_loop

    return plain_loop(video, **options)


if __name__ == "__main__":
    main()
