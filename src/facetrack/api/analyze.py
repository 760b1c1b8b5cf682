"""``facetrack.analyze``: a video in, an ``Analysis`` out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facetrack.core.environment import hardware, versions
from facetrack.core.limits import check_limit, limited
from facetrack.core.settings import Device, Settings
from facetrack.core.types import StreamChoice
from facetrack.identity.uncertain import uncertain
from facetrack.media.fingerprint import fingerprint
from facetrack.media.source import open_source
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.pipeline.engine_settings import check_engine, settings_of
from facetrack.pipeline.face_analyzer import AnalyzedFrames, FaceAnalyzer, Progress
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.metrics import Sample, summary
from facetrack.runtime.monitor import Monitor
from facetrack.runtime.run_stats import RunStats, StageClock
from facetrack.timeline import Analysis, Dropped, RecognizerInfo
from facetrack.timeline.frame_sizes import changing_sizes
from facetrack.tracking.tracks import Track

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
        return _analyzed(Path(path), settings, on_progress, on_sample, engine)


def _analyzed(
    path: Path,
    settings: Settings,
    on_progress: OnProgress | None,
    on_sample: OnSample | None,
    engine: Engine | None,
) -> Analysis:
    if engine is not None:
        check_engine(engine, settings)
    stats = RunStats()
    stages = stats.stages
    print_of_file = fingerprint(path)
    wanted = StreamChoice(
        settings.decode.video_stream,
        settings.decode.audio_stream,
        settings.decode.deinterlace == "auto",
    )
    opened, decoder = open_source(path, settings.detection.device, wanted)
    with opened as source:
        with stages.open:
            engine = engine or open_engine(settings.detection, settings.identity)
        embedder = FaceEmbedder(_Timed(engine.embedder, stages.embed), engine.aligner)
        generator = IdTimelineGenerator(embedder, settings.tracking, settings.identity)
        expected = source.expected_frames(settings.decode.start_s, settings.decode.duration_s)
        check_limit(f"{path}: its frames", "frames", expected or 0)
        people = 0

        def report(analyzed: AnalyzedFrames, tracks: int, queued: int) -> None:
            if on_progress is not None:
                on_progress(
                    Progress(
                        len(analyzed.times_s), expected, analyzed.faces, tracks, people, queued
                    )
                )

        def end_tracks(tracks: list[Track]) -> None:
            nonlocal people
            generator.add(tracks)
            people = generator.people_so_far if on_progress is not None else 0

        with Monitor(stats, engine.gpu, on_sample) as monitor:
            analyzed = FaceAnalyzer(engine, settings, stats, embedder, end_tracks, report).run(
                source
            )
            info = replace(source.info(), fingerprint=print_of_file)
            with stages.people:
                timeline = generator.finish(analyzed.first_frame, analyzed.times_s, info.duration_s)
        seconds = stats.seconds
        warnings = [*source.warnings, *source.notes]
    if monitor.warning is not None:
        warnings.append(monitor.warning)
    if not timeline.people:
        warnings.append(_why_nobody(analyzed, timeline.dropped))
    metrics = monitor.samples()
    analysis = Analysis(
        info=info,
        people=timeline.people,
        tracks=timeline.tracks,
        intervals=timeline.intervals,
        shots=analyzed.shots(),
        dropped=timeline.dropped,
        faces=timeline.faces,
        frame_times=np.array(analyzed.times_s, np.float64),
        frame_sizes=changing_sizes(np.array(analyzed.sizes, np.int32)),
        first_frame=analyzed.first_frame,
        embeddings=timeline.embeddings,
        recognizer=RecognizerInfo(embedder.name, embedder.dim, embedder.calibration),
        splits=timeline.splits,
        thumbnails=timeline.thumbnails,
        warnings=warnings,
        damaged=source.damaged,
        metrics=metrics,
        settings=settings.as_dict(),
        performance={
            "engine": engine.name,
            "detector": engine.detector.name,
            "recognizer": engine.embedder.name,
            "decoder": decoder,
            "frames": len(analyzed.times_s),
            "key_frames": analyzed.key_frames,
            "looks": analyzed.redetections,
            "batch_sizes": {str(n): analyzed.batch_sizes[n] for n in sorted(analyzed.batch_sizes)},
            "faces": analyzed.faces,
            "embedded_faces": analyzed.embedded_faces + generator.embedded_faces,
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(analyzed.times_s) / seconds, 2),
            "stages": {
                stage: {"seconds": round(s, 3), "share": round(s / seconds, 4)}
                for stage, s in stages.seconds().items()
            },
            "batch_size_changes": [list(change) for change in stats.batch_changes.items()],
            "metrics": summary(metrics),
            "machine": hardware(settings.detection.device),
            "versions": versions(),
        },
    )
    return replace(analysis, uncertain=uncertain(analysis))


def _with_keywords(settings: Settings, **stages: dict[str, Any]) -> Settings:
    """The settings with the values that are given; None: not given."""
    for table, values in stages.items():
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            settings = replace(settings, **{table: replace(getattr(settings, table), **given)})
    return settings


class _Timed:
    """An embedder whose time counts for a stage."""

    def __init__(self, embedder: Embedder, stage: StageClock) -> None:
        self.name, self.crop, self.dim = embedder.name, embedder.crop, embedder.dim
        self.calibration = embedder.calibration
        self.embed = stage.timed(embedder.embed)


def _why_nobody(analyzed: AnalyzedFrames, dropped: Sequence[Dropped]) -> str:
    if not analyzed.faces:
        return "nobody found: no face in any frame"
    longest = max(dropped, key=lambda track: track.last_frame - track.first_frame)
    tracks = "1 track" if len(dropped) == 1 else f"all {len(dropped)} tracks dropped, the longest"
    reason = (
        longest.detail if longest.reason == "too short" else f"{longest.reason}, {longest.detail}"
    )
    return f"nobody found: {tracks}, {reason} (see 'dropped' in timeline.json)"
