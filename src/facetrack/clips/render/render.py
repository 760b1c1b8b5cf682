"""Renders planned clips in parallel processes.

A clip that fails does not stop the others; its result holds the error.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facetrack.clips.plan.clip import Clip, Segment
from facetrack.clips.plan.grouping import grouped
from facetrack.clips.render.finished_clips import FinishedClips
from facetrack.clips.render.messages import ClipJob, FrameOverlay, Outcome, RenderTask
from facetrack.clips.render.pool import written
from facetrack.core.errors import UsageError
from facetrack.core.limits import check_limit, limits
from facetrack.core.received_files import check_folder
from facetrack.core.types import BEST_STREAMS, NO_CORRECTION, Clock, StreamChoice
from facetrack.media.codecs import Encoding, choose_encoder
from facetrack.media.frame_reader import FrameReader
from facetrack.runtime.process import usable_cores

WAV_SAMPLE_BYTES = 2


@dataclass(frozen=True)
class ClipResult:
    """The result of one clip."""

    path: Path
    segment: Segment
    frames: int
    samples: int
    """Samples of each audio channel, before the codec's own framing; 0: no sound."""
    sound_error: str | None = None
    """What of its sound could not be read, and is silent; None: nothing."""
    error: str | None = None
    """Why the clip could not be written; None: it was."""


def render_clips(
    source: Path,
    clips: Sequence[Clip],
    out: Path,
    encoding: Encoding,
    jobs: int | None = None,
    overlay: FrameOverlay | None = None,
    on_clip: Callable[[ClipResult], None] | None = None,
    streams: StreamChoice = BEST_STREAMS,
    clock: Clock = NO_CORRECTION,
    finished: Path | None = None,
) -> list[ClipResult]:
    """Writes the clips into ``out``; gives their results in the order of the clips.

    Files of the same names are replaced one by one; see ``side_by_side`` for more.

    Args:
        jobs: number of processes; None: one a core.
        overlay: draws on whole source frames, which are written instead of the panels.
        on_clip: called after each clip, in the caller's thread.
        streams: the source's streams that are read.
        clock: of the source, as the analysis found it.
        finished: file that lists the clips that an interrupted render has finished in ``out``; they
            are kept. None: all are written.

    Raises:
        InputError: when the source is no longer where it was, or a folder of ``out`` is a link.
        UsageError: when no encoder for the codec works on this machine.
    """
    for clip in clips:
        _check_size(clip, encoding.wav_rate)
    pixels = _pixels(source, streams)
    encoder = choose_encoder(encoding)
    for parent in {clip.path.parent for clip in clips} - {Path()}:
        check_folder(out, parent.as_posix())
    out.mkdir(parents=True, exist_ok=True)
    if not clips:
        return []
    processes = jobs or usable_cores()
    run = uuid.uuid4().hex[:8]
    made = [_job(i, clip, out, run, encoding.wav_rate) for i, clip in enumerate(clips)]
    before = None
    if finished is not None and overlay is None:
        before = FinishedClips(out, finished, source, encoder, encoding.wav_rate, streams, clock)
    results: dict[int, ClipResult] = {}

    def done(outcome: Outcome) -> None:
        results[outcome.number] = _result(made[outcome.number], outcome)
        if on_clip is not None:
            on_clip(results[outcome.number])

    left: list[ClipJob] = []
    for job in made:
        outcome = None if before is None else before.outcome(job)
        if outcome is None:
            left.append(job)
        else:
            done(outcome)
    most = limits().output_bytes
    tasks = [
        RenderTask(
            source,
            tuple(left[i] for i in group),
            encoder,
            encoding.wav_rate,
            overlay,
            most,
            streams,
            clock,
        )
        for group in grouped([job.clip for job in left], pixels, processes)
    ]
    with closing(written(tasks, min(processes, len(tasks)))) as outcomes:
        for outcome in outcomes:
            if before is not None:
                before.add(made[outcome.number], outcome)
            done(outcome)
    return [results[i] for i in range(len(clips))]


def _check_size(clip: Clip, wav_rate: int | None) -> None:
    seconds = float(clip.edges_s[-1])
    for name, size in (
        ("frame_pixels", clip.size[0] * clip.size[1]),
        ("frames", len(clip.frames)),
        ("film_s", seconds),
        ("output_bytes", seconds * (wav_rate or 0) * WAV_SAMPLE_BYTES),
    ):
        check_limit(f"clip {clip.path}", name, size, UsageError)


def _pixels(source: Path, streams: StreamChoice) -> int:
    """Number of pixels of the source's frame."""
    with FrameReader.open(source, streams) as reader:
        return reader.stream.width * reader.stream.height


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
    return ClipResult(
        job.path,
        job.clip.segment,
        outcome.frames,
        outcome.samples,
        outcome.sound_error,
        outcome.error,
    )
