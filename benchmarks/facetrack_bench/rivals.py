"""Compares facetrack with loops of other libraries, in one run and on the same frames.

facetrack analyses the whole video: it follows faces over time. The loops see each frame alone, are
slow, and get some parts of the video. Faces and identities are counted on the frames of these parts
for all programs.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facetrack import api
from facetrack.core.environment import facetrack_version
from facetrack.core.errors import FacetrackError, UsageError
from facetrack.core.frame_range import FrameTimes
from facetrack.evaluation.scores import compare
from facetrack.evaluation.truth import LabelledBoxes, read_truth
from facetrack.exports.mot import faces_of_people
from facetrack.media.decode import PyavSource
from facetrack.pipeline.engine import open_engine
from facetrack.runtime.process import usable_cores
from facetrack_bench.known_faces import KnownFaces
from facetrack_bench.known_film import truth_of
from facetrack_bench.measuring import disturbed
from facetrack_bench.parts import LARGE_PIXELS, chosen_frames
from facetrack_bench.rival_loops import LOOPS, Loop
from facetrack_bench.stages import settings_for
from facetrack_bench.worker import in_own_process

OURS = "facetrack"
PARTS, PARTS_OF_LARGE = 24, 8
"""Number of parts, and number of parts of a video with large frames."""


def comparison(video: Path, repeat: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs all programs that are installed on one video.

    Identities are scored where ``truth_of`` finds a truth.

    Args:
        video: to analyse.
        repeat: runs of each program; the fastest counts.
        say: shows what is being measured.

    Returns:
        An entry of ``rivals`` in ``bench.json``.

    Raises:
        InputError: when the truth cannot be read.
        UsageError: when there is a truth and TrackEval is not installed.
    """
    truth = truth_of(video)
    if truth is not None:  # before anything is measured
        require_scorer()
        read_truth(truth)
    with PyavSource(video) as source:
        frames = sum(1 for _ in source.frames())
        info = source.info()
    large = info.width * info.height > LARGE_PIXELS
    chosen = chosen_frames(frames, PARTS_OF_LARGE if large else PARTS)
    options = {"frames": chosen, "truth": truth and str(truth), "repeat": repeat}
    say(f"{video.name}: facetrack")
    rows = [{"program": OURS, **in_own_process("rivals", video, program=OURS, **options)}]
    for name, program in LOOPS.items():
        say(f"{video.name}: {program.label}")
        rows.append({"program": name, **_measured(video, name, options)})
    for row in rows:
        speed = row.get("frames_per_second")
        row["times"] = round(rows[0]["frames_per_second"] / speed, 2) if speed else None
    return {
        "video": str(video),
        "width": info.width,
        "height": info.height,
        "frames": frames,
        "frames_compared": len(chosen),
        "rows": rows,
        "disturbed": disturbed(*(row.get("others_cores") for row in rows)),
    }


def require_scorer() -> None:
    """Checks that identities can be scored.

    Raises:
        UsageError: when TrackEval is not installed.
    """
    if find_spec("trackeval") is None:
        raise UsageError("IDF1 needs trackeval, which is missing: pip install 'facetrack[rivals]'")


def _measured(video: Path, name: str, options: dict[str, Any]) -> dict[str, Any]:
    note = LOOPS[name].missing
    if note is None:
        try:
            return in_own_process("rivals", video, program=name, **options)
        except FacetrackError as error:
            note = str(error)
    return {"note": note}


def measured_program(
    video: Path, *, program: str, frames: list[int], truth: str | None, repeat: int
) -> dict[str, Any]:
    """Runs one program; for ``in_own_process``.

    Args:
        video: to read.
        program: ``OURS``, or of ``LOOPS``.
        frames: numbers of the frames to compare, ascending.
        truth: path of the truth.
        repeat: runs; the fastest counts.
    """
    if program == OURS:
        answer, found = _ours(video, frames, repeat)
    else:
        answer, found = _loop(video, program, frames, repeat)
    answer["seconds"] = round(answer["seconds"], 4)
    answer["frames_per_second"] = round(answer["frames"] / answer["seconds"], 3)
    answer |= {"faces": len(found), "people": len(np.unique(found.ids))}
    return {**answer, "idf1": None if truth is None else _idf1(Path(truth), found, frames)}


def _ours(video: Path, frames: list[int], repeat: int) -> tuple[dict[str, Any], LabelledBoxes]:
    settings = settings_for("cpu")
    engine = open_engine(settings.detection, settings.identity)
    analysis = api.analyze(video, settings, engine=engine)
    seconds = []
    for _ in range(repeat):
        begun = time.perf_counter()
        analysis = api.analyze(video, settings, engine=engine)
        seconds.append(time.perf_counter() - begun)
    rows = analysis.faces.filter(pc.is_in(analysis.faces["frame"], pa.array(frames)))
    found = faces_of_people(rows.filter(pc.greater(rows["person"], 0)))
    answer = {
        "versions": {OURS: facetrack_version()},
        "threads": usable_cores(),
        "frames": len(analysis.frame_times),
        "seconds": min(seconds),
    }
    return answer, LabelledBoxes.of_faces(found, "person")


def _loop(
    video: Path, name: str, frames: list[int], repeat: int
) -> tuple[dict[str, Any], LabelledBoxes]:
    program = LOOPS[name]
    loop = program.opened()
    with PyavSource(video) as source:
        loop.faces(next(iter(source.frames())).image.rgb())  # the first call prepares kernels
    runs = [_timed(video, loop, program.same_person, frames) for _ in range(repeat)]
    seconds, found = min(runs, key=lambda run: run[0])
    answer = {
        "versions": program.versions(),
        "threads": loop.threads,
        "frames": len(frames),
        "seconds": seconds,
    }
    return answer, found


def _timed(
    video: Path, loop: Loop, same_person: float, frames: list[int]
) -> tuple[float, LabelledBoxes]:
    """Seconds to decode these frames and to find who is in them, and what was found."""
    known = KnownFaces(same_person)
    wanted = set(frames)
    seconds = 0.0
    of_frame, people, boxes = [], [], [np.zeros((0, 4), np.float32)]
    with PyavSource(video) as source:
        decoded = iter(source.frames())
        for index in range(frames[-1] + 1):
            begun = time.perf_counter()
            frame = next(decoded)
            if index in wanted:
                faces = loop.faces(frame.image.rgb())
                people += known.numbers_of(faces.embeddings)
                seconds += time.perf_counter() - begun
                of_frame += [index] * len(faces.boxes)
                boxes.append(faces.boxes)
    found = LabelledBoxes(
        np.array(of_frame, np.int64), np.array(people, np.int64), np.concatenate(boxes)
    )
    return seconds, found


def _idf1(truth: Path, found: LabelledBoxes, frames: list[int]) -> float:
    whole = read_truth(truth)
    here = np.isin(whole.frames, frames)
    wanted = LabelledBoxes(whole.frames[here], whole.ids[here], whole.boxes[here])
    # IDF1 counts boxes: how long a frame is shown does not matter.
    shown = FrameTimes(np.arange(frames[-1] + 2, dtype=np.float64), 0)
    return round(compare(wanted, found, shown).scores.idf1, 4)
