"""``facetrack.analyze``: a video in, an ``Analysis`` out."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from facetrack.core.limits import limited
from facetrack.core.settings import Device, Settings
from facetrack.jobs.choice import process_executor
from facetrack.jobs.executors import Executor, SerialExecutor
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.progress import Progress
from facetrack.jobs.run import FilmRunner
from facetrack.pipeline.engine import Engine, check_engine, open_engine, settings_of
from facetrack.runtime.metrics import Sample
from facetrack.runtime.monitor import Monitor
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis

OnProgress = Callable[[Progress], None]
OnSample = Callable[[Sample], None]


def analyze(
    path: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    device: Device | None = None,
    detector: str | None = None,
    dense: bool | None = None,
    min_face: int | None = None,
    recognizer: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    probability: float | None = None,
    threshold: float | None = None,
    start_s: float | None = None,
    duration_s: float | None = None,
    video_stream: int | None = None,
    audio_stream: int | None = None,
    deinterlace: Literal["auto", "off"] | None = None,
    on_progress: OnProgress | None = None,
    on_sample: OnSample | None = None,
    engine: Engine | None = None,
    jobs: int | None = None,
) -> Analysis:
    """Detects every face, tracks it, and says who is on screen when.

    Faces by YuNet (Wu et al., MIR 2023) or MTCNN (Zhang et al., SPL 2016), embeddings by SFace
    (Zhong et al., TIP 2021) or InceptionResnetV1 as FaceNet (Schroff et al., CVPR 2015) trains it;
    see ``THIRD_PARTY.md``.

    >>> import facetrack
    >>> analysis = facetrack.analyze("talk.mp4")
    >>> for interval in analysis.intervals:
    ...     print(interval.person, interval.start_s, interval.end_s)
    1 0.0 2.4

    Args:
        path: path of a video file.
        settings: settings of all stages; the defaults when left out. A keyword below that is given
            replaces the one setting of its name.
        device: where the networks run: ``cpu``, ``cuda`` or ``torch-cpu``.
        detector: network that detects faces: ``mtcnn``, ``yunet`` or ``auto``.
        dense: detect on every frame, not only on key frames.
        min_face: side in pixels of the smallest face to detect.
        recognizer: network that tells people apart: ``sface``, ``facenet``, ``vggface2``, or the
            path of an ONNX file.
        weights: weight file for ``vggface2``.
        probability: from which two tracks are one person, 0 to 1.
        threshold: cosine similarity from which two tracks are one person, in place of the
            probability, -1 to 1.
        start_s: seconds of the video to skip.
        duration_s: seconds to read from there.
        video_stream: number in the file, from 0, of the video stream to read; the best one when
            left out.
        audio_stream: the same, of the stream that clips take their sound from.
        deinterlace: ``auto``: interlaced frames are deinterlaced; ``off``: they stay as they are.
        on_progress: called after each batch, in the caller's thread.
        on_sample: called ten times a second with the load of CPU and GPU, queues and progress, in
            a thread of its own; ``Analysis.metrics`` keeps the samples.
        engine: compiled networks to use, as ``open_engine`` gives them, so that several videos
            share them. Without ``settings``, those that it was opened with are used.
        jobs: number of worker processes; 1: none, this process does all the work, as it does with
            an ``engine``. When left out, as many as help: one a core for a long film.

    Returns:
        The analysis. Frames count from 0 in presentation order, times are seconds from the start
        of the video stream, boxes are in pixels of the upright frame.

    Raises:
        InputError: when nothing of the video can be read, or it has no such stream. Of a damaged
            video the readable part is analysed; ``Analysis.damaged`` and ``Analysis.warnings`` say
            so.
        UsageError: when a setting makes no sense, the device or its library is missing, or the
            engine was opened with other settings than those asked for.
        WeightsError: when a network's weights are missing or damaged.
        ResourceError: when memory or threads run out.
    """
    settings = _with_keywords(
        settings or (Settings() if engine is None else settings_of(engine)),
        decode={
            "start_s": start_s,
            "duration_s": duration_s,
            "video_stream": video_stream,
            "audio_stream": audio_stream,
            "deinterlace": deinterlace,
        },
        detection={"device": device, "detector": detector, "dense": dense, "min_face": min_face},
        identity={
            "recognizer": recognizer,
            "weights": weights,
            "probability": probability,
            "threshold": threshold,
        },
    )
    with limited(settings.limits):
        return _analyzed(Path(path), settings, on_progress, on_sample, engine, jobs)


def _analyzed(
    path: Path,
    settings: Settings,
    on_progress: OnProgress | None,
    on_sample: OnSample | None,
    engine: Engine | None,
    jobs: int | None,
) -> Analysis:
    if engine is not None:
        check_engine(engine, settings)
    stats = RunStats()
    film = FilmInWork(path, settings)

    def report(_: FilmInWork, now: Progress) -> None:
        assert on_progress is not None
        on_progress(now)

    with ExitStack() as ended:
        executor = ended.enter_context(_executor_for(film, engine, stats, jobs))
        monitor = ended.enter_context(Monitor(stats, executor.gpu, on_sample, executor.pids))
        runner = FilmRunner(executor, None if on_progress is None else report)
        for _, error in runner.run(iter([film])):
            if error is not None:
                raise error
        return film.finish(stats, executor.workers, monitor)


def _executor_for(
    film: FilmInWork, engine: Engine | None, stats: RunStats, jobs: int | None
) -> Executor:
    settings = film.settings
    if engine is None:
        processes = process_executor(settings.detection.device, 1, film, jobs)
        if processes is not None:
            return processes
    with stats.stages.open:
        engine = engine or open_engine(settings.detection, settings.identity)
    return SerialExecutor(engine, lambda _: stats)


def _with_keywords(settings: Settings, **stages: dict[str, Any]) -> Settings:
    """The settings with the values that are given; None: not given."""
    for table, values in stages.items():
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            settings = replace(settings, **{table: replace(getattr(settings, table), **given)})
    return settings
