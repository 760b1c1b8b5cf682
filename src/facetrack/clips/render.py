"""Renders clips in parallel processes; each seeks to its span and decodes that alone.

A clip that fails does not stop the others; what failed is said in its result.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.analysis import Analysis
from facetrack.clips.reframe import reframed
from facetrack.clips.segments import Segment, segments_of
from facetrack.clips.square_path import crop_path
from facetrack.clips.target import choose
from facetrack.errors import ClipError, InputError
from facetrack.media.decode import EPSILON_S
from facetrack.media.encode import ClipWriter
from facetrack.media.sound import read_sound, sound_format
from facetrack.settings import ClipSettings

_stop: Event | None = None
"""In a worker process: set when the parent gives up."""


@dataclass(frozen=True)
class ClipResult:
    """What came of one clip."""

    path: Path
    segment: Segment
    frames: int
    error: str | None = None


@dataclass(frozen=True)
class _Task:
    source: Path
    path: Path
    segment: Segment
    times_s: NDArray[np.float64]
    crops: NDArray[np.float64]
    fps: Fraction
    settings: ClipSettings


def plan_clips(analysis: Analysis, settings: ClipSettings) -> list[Segment]:
    """What ``render_clips`` would make.

    Raises:
        TargetError: when the target names nobody of this video.
    """
    edges_s = np.append(analysis.frame_times, analysis.info.duration_s)
    return [
        segment
        for person in choose(settings.target, analysis.people, analysis.faces)
        for segment in segments_of(
            person, analysis.intervals, edges_s, analysis.first_frame, settings
        )
    ]


def clip_name(segment: Segment) -> Path:
    """Where the clip lies in the output folder."""
    person = f"person_{segment.person:02}"
    return Path("clips") / person / f"{person}_{segment.index:04}.mp4"


def render_clips(
    analysis: Analysis,
    out: Path,
    settings: ClipSettings,
    on_clip: Callable[[ClipResult], None] | None = None,
) -> list[ClipResult]:
    """Writes the clips, in ``settings.jobs`` processes; results are in the order of the plan.

    Clips of an earlier run under ``out/clips`` are removed first: the folder shows one run.

    Raises:
        TargetError: when the target names nobody of this video.
        InputError: when the source is no longer where it was.
    """
    if not analysis.info.path.is_file():
        raise InputError(
            f"{analysis.info.path}: the video is gone; put it back to make clips of it"
        )
    tasks = [_task(analysis, out, s, settings) for s in plan_clips(analysis, settings)]
    for old in (out / "clips").glob("person_*/person_*.mp4"):
        if old.is_file():
            old.unlink()
    if not tasks:
        return []
    results: dict[Path, ClipResult] = {}
    workers = min(settings.jobs or os.cpu_count() or 1, len(tasks))
    context = get_context("spawn")  # a forked copy of a process with inference threads may hang
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(stop,))
    try:
        futures = {pool.submit(_render, task): task for task in tasks}
        for future in as_completed(futures):
            task = futures[future]
            try:
                result = future.result()
            except BrokenProcessPool:
                result = ClipResult(task.path, task.segment, 0, "its process was killed")
                _remove_partials(task.path)
            results[task.path] = result
            if on_clip is not None:
                on_clip(result)
    except BaseException:
        stop.set()  # clips under way end at their next picture and take their files with them
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [results[task.path] for task in tasks]


def _task(analysis: Analysis, out: Path, segment: Segment, settings: ClipSettings) -> _Task:
    first = segment.start_frame - analysis.first_frame
    times_s = analysis.frame_times[first : first + segment.end_frame - segment.start_frame]
    faces = analysis.faces
    frame = faces["frame"].to_numpy()
    mine = faces["person"].to_numpy() == segment.person
    rows = np.flatnonzero(mine & (frame >= segment.start_frame) & (frame < segment.end_frame))
    columns = [faces[c].to_numpy()[rows].astype(np.float64) for c in ("x1", "y1", "x2", "y2")]
    known, once = np.unique(frame[rows] - segment.start_frame, return_index=True)
    crops = crop_path(
        times_s,
        known.astype(np.intp),
        np.stack(columns, axis=1)[once],
        [s.start_frame - segment.start_frame for s in analysis.shots],
        (analysis.info.width, analysis.info.height),
        settings.zoom,
    )
    path = out / clip_name(segment)
    return _Task(analysis.info.path, path, segment, times_s, crops, analysis.info.fps, settings)


def _start_worker(stop: Event) -> None:
    """Ctrl-C reaches the whole group: only the parent acts on it, and tells by ``stop``."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(task: _Task) -> ClipResult:
    """Makes one clip; runs in a worker process."""
    result = ClipResult(task.path, task.segment, 0)
    try:
        return replace(result, frames=_write(task))
    except (av.error.FFmpegError, OSError, ClipError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return replace(result, error=f"could not be written ({reason})")


def _write(task: _Task) -> int:
    segment = task.segment
    sound = sound_format(task.source)
    with av.open(str(task.source), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        # Two frames share a core at most: the pool already fills them.
        stream.thread_type = "NONE"
        time_base = stream.time_base or Fraction(1, 1000)
        pictures = _pictures(container, time_base, segment)
        first = next(pictures, None)
        if first is None:
            raise ClipError("the source has no frame there any more")
        start_pts = first[0]
        end_pts = start_pts + round((segment.end_s - segment.start_s) / time_base)
        written = 0
        with ClipWriter(task.path, task.settings, time_base, task.fps, first[1], sound) as writer:
            audio = _sound_chunks(task, sound) if sound else iter(())
            waiting: tuple[int, VideoFrame] | None = first
            while waiting is not None:
                if _stop is not None and _stop.is_set():
                    raise ClipError("interrupted")
                following = next(pictures, None)
                pts, picture = waiting
                until = following[0] if following else max(end_pts, pts + 1)
                crop = task.crops[min(written, len(task.crops) - 1)]
                luma, blue, red = reframed(picture, crop, task.settings.size)
                writer.write_picture((luma, blue, red), pts - start_pts, until - pts)
                written += 1
                waiting = following
                _interleave(writer, audio)
            for chunk in audio:
                writer.write_sound(chunk)
    if written != len(task.times_s):
        raise ClipError(f"{written} of {len(task.times_s)} frames could be read again")
    return written


def _pictures(
    container: "av.container.InputContainer", time_base: Fraction, segment: Segment
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames of the span with their pts, from the key frame before it on."""
    stream = container.streams.video[0]
    origin = stream.start_time or 0
    container.seek(
        max(origin, origin + int(segment.start_s / time_base)), stream=stream, backward=True
    )
    for picture in container.decode(stream):
        if picture.pts is None:
            continue
        time_s = float((picture.pts - origin) * time_base)
        if time_s >= segment.end_s - EPSILON_S:
            return
        if time_s >= segment.start_s - EPSILON_S:
            yield picture.pts, picture


def _sound_chunks(task: _Task, sound: tuple[int, str]) -> Iterator[NDArray[np.float32]]:
    samples = read_sound(task.source, task.segment.start_s, task.segment.end_s, sound)
    step = max(1, round(sound[0] / float(task.fps)))
    for i in range(0, samples.shape[1], step):
        yield samples[:, i : i + step]


def _interleave(writer: ClipWriter, audio: Iterator[NDArray[np.float32]]) -> None:
    """About as much sound as one picture lasts, so that the file plays while it loads."""
    chunk = next(audio, None)
    if chunk is not None:
        writer.write_sound(chunk)


def _remove_partials(path: Path) -> None:
    for left in path.parent.glob(f".{path.stem}.*.partial.mp4"):
        left.unlink(missing_ok=True)
