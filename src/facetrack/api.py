"""The library's face: one call analyses a video, one renders clips of its people."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from facetrack.clips.camera.crops import read_crops
from facetrack.clips.plan.manifest import remove_manifest, write_manifest
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.plan import Plan, encoding_of, plan_clips
from facetrack.clips.render.overlay import Overlay
from facetrack.clips.render.render import ClipResult, render_clips
from facetrack.core.environment import machine, versions
from facetrack.core.errors import UsageError
from facetrack.core.settings import ClipSettings, Settings
from facetrack.identity.uncertain import uncertain
from facetrack.media.codecs import suffix_of
from facetrack.media.source import open_source
from facetrack.pipeline.engine import Engine
from facetrack.pipeline.engine_opening import open_engine
from facetrack.pipeline.face_analyzer import AnalyzedFrames, FaceAnalyzer, Progress
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.metrics import Sample, in_short
from facetrack.runtime.monitor import Monitor
from facetrack.runtime.run_stats import RunStats, StageClock
from facetrack.timeline import Analysis, RecognizerInfo
from facetrack.tracking.tracks import Track

OnProgress = Callable[[Progress], None]
OnSample = Callable[[Sample], None]


def analyze(
    video: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    on_progress: OnProgress | None = None,
    on_sample: OnSample | None = None,
    engine: Engine | None = None,
) -> Analysis:
    """Finds every face, follows it, and says who is on screen when.

    Faces by YuNet (Wu et al., MIR 2023) or MTCNN (Zhang et al., SPL 2016), embeddings by SFace
    (Zhong et al., TIP 2021) or InceptionResnetV1 as FaceNet (Schroff et al., CVPR 2015) trains it;
    see ``THIRD_PARTY.md``.

    Args:
        video: path of a video file.
        settings: all stages' settings; the defaults when left out.
        on_progress: called after each batch, in the caller's thread.
        on_sample: called ten times a second with the machine's load, queues and progress, in a
            thread of its own; ``Analysis.metrics`` keeps them.
        engine: to share one engine's compiled networks between videos.

    Returns:
        Frames counted from 0 in presentation order, times in seconds from the start of the video
        stream, boxes in pixels of the upright picture.

    Raises:
        InputError: when nothing of the video can be read. What can be read of a damaged one is
            analysed; ``Analysis.damaged`` and ``Analysis.warnings`` say so.
        UsageError: when the device or its library is not there.
        WeightsError: when a network's weights are missing or damaged.
    """
    settings = settings or Settings()
    stats = RunStats()
    stages = stats.stages
    opened, decoder = open_source(Path(video), settings.detection.device)
    with opened as source:
        with stages.open:
            engine = engine or open_engine(settings.detection, settings.identity)
        embedder = FaceEmbedder(_Timed(engine.embedder, stages.embed), engine.aligner)
        generator = IdTimelineGenerator(embedder, settings.tracking, settings.identity)
        expected = source.expected_frames(settings.decode.start_s, settings.decode.duration_s)
        people = 0

        def report(seen: AnalyzedFrames, tracks: int, queued: int) -> None:
            if on_progress is not None:
                on_progress(
                    Progress(len(seen.times_s), expected, seen.faces, tracks, people, queued)
                )

        def end_tracks(tracks: list[Track]) -> None:
            nonlocal people
            generator.add(tracks)
            people = generator.people_so_far if on_progress is not None else 0

        with Monitor(stats, engine.gpu, on_sample) as monitor:
            seen = FaceAnalyzer(engine.detector, settings, stats, embedder, end_tracks, report).run(
                source
            )
            info = source.info()
            with stages.people:
                timeline = generator.finish(seen.first_frame, seen.times_s, info.duration_s)
        seconds = stats.seconds
        warnings = list(source.warnings)
    if monitor.warning is not None:
        warnings.append(monitor.warning)
    if not timeline.people:
        warnings.append(_why_nobody(seen, len(timeline.dropped)))
    metrics = monitor.samples()
    analysis = Analysis(
        info=info,
        people=timeline.people,
        tracks=timeline.tracks,
        intervals=timeline.intervals,
        shots=seen.shots(),
        dropped=timeline.dropped,
        faces=timeline.faces,
        frame_times=np.array(seen.times_s, np.float64),
        first_frame=seen.first_frame,
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
            "frames": len(seen.times_s),
            "key_frames": seen.key_frames,
            "looks": seen.looks,
            "batch_sizes": {str(n): seen.batch_sizes[n] for n in sorted(seen.batch_sizes)},
            "faces": seen.faces,
            "embedded_faces": seen.embedded_faces + generator.embedded_faces,
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(seen.times_s) / seconds, 2),
            "stages": {
                stage: {"seconds": round(s, 3), "share": round(s / seconds, 4)}
                for stage, s in stages.seconds().items()
            },
            "batch_size_changes": [list(change) for change in stats.batch_changes.items()],
            "metrics": in_short(metrics),
            "machine": machine(settings.detection.device),
            "versions": versions(),
        },
    )
    return replace(analysis, uncertain=uncertain(analysis))


def plan(
    analysis: Analysis,
    settings: ClipSettings | None = None,
    *,
    crops: str | os.PathLike[str] | None = None,
    enroller: Enroller | None = None,
) -> Plan:
    """The clips that ``render`` would write, and what is left out.

    Args:
        analysis: of the video.
        settings: whom, when and how; the defaults when left out.
        crops: an edited ``crops.parquet``: its clips, pictures and sizes, whatever the settings
            say of these.
        enroller: knows the faces of photos that are targets.

    Raises:
        TargetError: when a target is nobody of this video.
        UsageError: when settings do not go together.
        InputError: when the crops' file cannot be read.
    """
    settings = settings or ClipSettings()
    if crops is None:
        return plan_clips(analysis, settings, enroller)
    if settings.data_set:
        raise UsageError("crops that were edited are no data set's; render them without the preset")
    clips = read_crops(Path(crops), (analysis.info.width, analysis.info.height))
    suffix = suffix_of(settings.codec)
    return Plan([replace(clip, path=clip.path.with_suffix(suffix)) for clip in clips], [])


def render(
    analysis: Analysis,
    out: str | os.PathLike[str],
    settings: ClipSettings | None = None,
    *,
    plan: Plan | None = None,
    on_clip: Callable[[ClipResult], None] | None = None,
) -> list[ClipResult]:
    """Writes face-centred clips with sound of the chosen people into ``out/clips``.

    Clips of the run before, as ``out/crops.parquet`` lists them, go first.

    Args:
        analysis: of the video, which must still lie where it was.
        out: folder, made where it is missing.
        settings: whom, when and how; the defaults when left out.
        plan: what to write; what ``settings`` ask for when left out.
        on_clip: called after each clip, in the caller's thread.

    Returns:
        One result a clip, in the order of the plan; of one that failed with its error.

    Raises:
        TargetError: when a target is nobody of this video.
        UsageError: when settings do not go together.
        InputError: when the video is no longer where it was.
    """
    out, settings = Path(out), settings or ClipSettings()
    plan = plan or plan_clips(analysis, settings)
    made = render_clips(
        analysis.info.path,
        plan.clips,
        out,
        encoding_of(settings),
        settings.jobs,
        Overlay.of(analysis) if settings.debug_overlay else None,
        on_clip,
        Settings(clips=settings).as_dict()["clips"],
    )
    remove_manifest(out)
    if settings.data_set:
        written = {clip.path.relative_to(out) for clip in made if not clip.error}
        write_manifest(out, analysis, plan, written, settings)
    return made


class _Timed:
    """An embedder whose work is timed."""

    def __init__(self, embedder: Embedder, stage: StageClock) -> None:
        self.name, self.crop, self.dim = embedder.name, embedder.crop, embedder.dim
        self.calibration = embedder.calibration
        self.embed = stage.timed(embedder.embed)


def _why_nobody(seen: AnalyzedFrames, dropped: int) -> str:
    if not seen.faces:
        return "nobody found: no face in any frame"
    return f"nobody found: all {dropped} tracks were dropped, see 'dropped' in timeline.json"
