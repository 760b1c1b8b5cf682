"""``python -m facetrack_bench.worker JOB``: one measurement; its answer is one line of JSON.

JOB is JSON: ``what`` to measure, the ``video``, when the process was ``started`` (seconds since
the epoch), and the measurement's ``options``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from facetrack_bench.memory import peak_mib
from facetrack.core.errors import FacetrackError


def main() -> None:
    """Does the job of the first argument; prints its answer, or its error, as one JSON line."""
    job = json.loads(sys.argv[1])
    try:
        answer = _measured(job["what"], Path(job["video"]), job["started"], job["options"])
    except FacetrackError as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps({**answer, "peak_mib": peak_mib()}), flush=True)


def _measured(what: str, video: Path, started: float, options: dict[str, Any]) -> dict[str, Any]:
    """Imports what it measures and nothing else, so that no stage pays for another's libraries."""
    if what == "analysis":
        from facetrack_bench.analysis_runs import analysed

        return analysed(video, started, **options)
    if what == "stages":
        from facetrack_bench.stages import stages_alone

        return stages_alone(video, **options)
    if what == "overlap":
        from facetrack_bench.overlap import record_overlap

        return record_overlap(video, **options)
    from facetrack_bench.reference import plain_loop

    return plain_loop(video, **options)


if __name__ == "__main__":
    main()
