"""The pure function that all executors run: a chunk of a film in, its result out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetrack.core.settings import DecodeSettings, Settings
from facetrack.core.shared import shared
from facetrack.core.types import Float32, StreamChoice
from facetrack.media.decode import ReadFacts
from facetrack.media.frame_image import Frame
from facetrack.media.orientation import UPRIGHT
from facetrack.media.source import open_source
from facetrack.pipeline.chunk_plan import Chunk
from facetrack.pipeline.chunk_result import ChunkResult, FilmFacts
from facetrack.pipeline.engine import Engine
from facetrack.pipeline.face_analyzer import AnalyzedFrames, FaceAnalyzer
from facetrack.pipeline.tracklet_maker import TrackletMaker
from facetrack.recognition.embedder import Embedder
from facetrack.recognition.face_embedder import FaceEmbedder
from facetrack.runtime.run_stats import RunStats, StageClock
from facetrack.timeline import RecognizerInfo
from facetrack.tracking.tracks import Track


@dataclass(frozen=True)
class ChunkProgress:
    """How far the analysis of a chunk is."""

    frames: int
    """Frames whose faces were detected."""
    faces: int
    tracks: int
    """Tracks begun."""
    people: int
    queued_frames: int
    """Decoded frames that wait for the detector."""


def streams_of(decode: DecodeSettings) -> StreamChoice:
    """The streams that the settings ask for."""
    return StreamChoice(decode.video_stream, decode.audio_stream, decode.deinterlace == "auto")


OnChunkProgress = Callable[[ChunkProgress], None]


def analyze_chunk(
    path: Path,
    chunk: Chunk,
    settings: Settings,
    engine: Engine,
    stats: RunStats,
    on_progress: OnChunkProgress | None = None,
) -> ChunkResult:
    """Detects, tracks and embeds the faces of a chunk.

    Args:
        path: of the film.
        chunk: of the film's plan.
        settings: of all stages.
        engine: opened with these settings.
        stats: is told what each stage does.
        on_progress: called after each batch, in the caller's thread.

    Raises:
        NotAsIndexed: when the film must be read from its start.
        ResourceError: when memory or threads run out.
    """
    opened, decoder = open_source(path, settings.detection.device, streams_of(settings.decode))
    with opened as source:
        frames = source.frames_numbered(chunk.span)
        queue_bytes = source.queue_bytes(settings.decode.queue_bytes)
        analysis = ChunkAnalysis(settings, engine, stats, on_progress, chunk)
        analyzed = analysis.run(frames, queue_bytes)
        return analysis.result(analyzed, source.read_facts(), decoder)


def analyze_whole(
    path: Path,
    settings: Settings,
    engine: Engine,
    stats: RunStats,
    on_progress: OnChunkProgress | None = None,
) -> ChunkResult:
    """The same for a film that cannot be read from the middle, or that a GPU decodes.

    Raises:
        InputError: when nothing of the film can be read.
    """
    decode = settings.decode
    opened, decoder = open_source(path, settings.detection.device, streams_of(decode))
    with opened as source:
        analysis = ChunkAnalysis(settings, engine, stats, on_progress)
        frames = source.frames(decode.start_s, decode.duration_s)
        analyzed = analysis.run(frames, source.queue_bytes(decode.queue_bytes))
        info = source.info()
        warnings, notes = list(source.warnings), list(source.notes)
        film = FilmFacts(info, warnings, notes, source.damaged)
        read = ReadFacts(info.duration_s, UPRIGHT)
        return analysis.result(analyzed, read, decoder, film)


class ChunkAnalysis:
    """Frames to a ``ChunkResult``, for a chunk or for a film that is read as a whole."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        stats: RunStats,
        on_progress: OnChunkProgress | None,
        chunk: Chunk | None = None,
    ) -> None:
        """As ``analyze_chunk``; ``chunk`` None: all frames count."""
        self._engine, self._stats, self._chunk = engine, stats, chunk
        self._before = stats.stages.seconds()
        self._on_progress = on_progress
        embedder = FaceEmbedder(_Timed(engine.embedder, stats.stages.embed), engine.aligner)
        self._embedder = embedder
        self._maker = TrackletMaker(embedder, settings.tracking, settings.identity, chunk)
        self._people = 0
        self._analyzer = FaceAnalyzer(
            engine, settings, stats, embedder, self._add, self._report, chunk
        )

    def run(self, frames: Iterator[Frame], queue_bytes: int) -> AnalyzedFrames:
        """As ``FaceAnalyzer.run``."""
        analyzed = self._analyzer.run(frames, queue_bytes)
        analyzed.embedded_faces += self._maker.embedded_faces
        return analyzed

    def result(
        self,
        analyzed: AnalyzedFrames,
        read: ReadFacts,
        decoder: str,
        film: FilmFacts | None = None,
    ) -> ChunkResult:
        """The result.

        Args:
            analyzed: as ``run`` gave it.
            read: of the last frame.
            decoder: as ``open_source`` says.
            film: where the film was read as a whole.
        """
        embedder = self._embedder
        return ChunkResult(
            self._maker.tracklets,
            analyzed,
            read,
            RecognizerInfo(embedder.name, embedder.dim, embedder.calibration),
            decoder,
            self._featureless,
            self._engine.facts,
            {stage: s - self._before[stage] for stage, s in self._stats.stages.seconds().items()},
            film,
        )

    @property
    def _featureless(self) -> Float32:
        """Needed for tracks over several chunks alone; measured once in a process."""
        embedder, chunk = self._embedder, self._chunk
        if chunk is None or (chunk.begins and chunk.ends):
            return np.zeros(embedder.dim, np.float32)
        return shared(("featureless", embedder.name), lambda: embedder.featureless)

    def _add(self, tracks: list[Track]) -> None:
        self._maker.add(tracks)
        self._people = self._maker.people_so_far if self._on_progress is not None else 0

    def _report(self, analyzed: AnalyzedFrames, tracks: int, queued: int) -> None:
        if self._on_progress is not None:
            frames = len(analyzed.times_s)
            self._on_progress(ChunkProgress(frames, analyzed.faces, tracks, self._people, queued))


class _Timed:
    """An embedder whose time counts for a stage."""

    def __init__(self, embedder: Embedder, stage: StageClock) -> None:
        self.name, self.crop, self.dim = embedder.name, embedder.crop, embedder.dim
        self.calibration = embedder.calibration
        self.embed = stage.timed(embedder.embed)
