"""Renders planned clips in parallel processes.

A clip that fails does not stop the others; what failed is said in its result.
"""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facetrack.clips.camera.crops import listed_clips, write_crops
from facetrack.clips.plan.clip import Clip, Segment
from facetrack.clips.plan.grouping import grouped
from facetrack.clips.render.messages import ClipJob, Outcome, Overlay, Task
from facetrack.clips.render.pool import written
from facetrack.media.codecs import Encoding, choose_encoder
from facetrack.media.streams import open_again, video_stream

CROPS_FILE = "crops.parquet"


@dataclass(frozen=True)
class ClipResult:
    """What came of one clip."""

    path: Path
    segment: Segment
    frames: int
    samples: int
    """Of each channel of its sound, before the codec's own framing; 0: silent."""
    error: str | None = None


def render_clips(
    source: Path,
    clips: Sequence[Clip],
    out: Path,
    encoding: Encoding,
    jobs: int | None = None,
    overlay: Overlay | None = None,
    on_clip: Callable[[ClipResult], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[ClipResult]:
    """Writes the clips into ``out``, in ``jobs`` processes; results are in the order of the clips.

    Clips of the run before, as ``out/crops.parquet`` lists them, are removed first: the folder
    shows one run. Where ``about`` is given, the file then lists those that are to come.

    Args:
        jobs: None: one a core.
        overlay: to write whole source frames, drawn upon, instead of what the panels show.
        on_clip: called after each clip, in the caller's thread.
        about: settings, to be kept in the list.

    Raises:
        InputError: when the source is no longer where it was.
        UsageError: when nothing here encodes the codec.
    """
    pixels = _pixels(source)
    encoder = choose_encoder(encoding)
    _remove_earlier(out)
    out.mkdir(parents=True, exist_ok=True)
    if about is not None:
        write_crops(out / CROPS_FILE, clips, dict(about))
    if not clips:
        return []
    processes = jobs or _cores()
    run = uuid.uuid4().hex[:8]
    made = [_job(i, clip, out, run, encoding.wav_rate) for i, clip in enumerate(clips)]
    tasks = [
        Task(source, tuple(made[i] for i in group), encoder, encoding.wav_rate, overlay)
        for group in grouped(clips, pixels, processes)
    ]
    results: dict[int, ClipResult] = {}
    with closing(written(tasks, min(processes, len(tasks)))) as outcomes:
        for outcome in outcomes:
            result = _result(made[outcome.number], outcome)
            results[outcome.number] = result
            if on_clip is not None:
                on_clip(result)
    return [results[i] for i in range(len(clips))]


def _pixels(source: Path) -> int:
    """Of the source's frame; sees to it that the source is there."""
    with open_again(source) as container:
        stream = video_stream(container)
        assert stream is not None
        return stream.width * stream.height


def _remove_earlier(out: Path) -> None:
    for name in listed_clips(out / CROPS_FILE):
        for old in (out / name, (out / name).with_suffix(".wav")):
            if old.is_file():
                old.unlink()
        with suppress(OSError):  # other things are in it
            (out / name).parent.rmdir()


def _job(number: int, clip: Clip, out: Path, run: str, wav_rate: int | None) -> ClipJob:
    path = out / clip.path
    wav = path.with_suffix(".wav") if wav_rate else None
    return ClipJob(
        number,
        clip,
        path,
        path.with_name(f".{path.stem}.{run}.partial{path.suffix}"),
        wav,
        wav and wav.with_name(f".{wav.stem}.{run}.partial.wav"),
    )


def _result(job: ClipJob, outcome: Outcome) -> ClipResult:
    return ClipResult(job.path, job.clip.segment, outcome.frames, outcome.samples, outcome.error)


def _cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
