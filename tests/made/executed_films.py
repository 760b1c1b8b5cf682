"""A film in three chunks run by an executor, and what its analysis says."""

from pathlib import Path

from facetrack.core.settings import DecodeSettings, Settings
from facetrack.jobs.executors import Executor, SerialExecutor
from facetrack.jobs.film import FilmInWork
from facetrack.jobs.run import FilmRunner
from facetrack.pipeline.engine import open_engine
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis
from made.chunked_film import write_chunked

SETTINGS = Settings(decode=DecodeSettings(chunk_frames=48))


def talking_film(pyfeat_data: Path, out: Path) -> Path:
    """A talking person, there and back; decoding can begin at every 24th frame."""
    return write_chunked(pyfeat_data / "single_face.mp4", out, frames=150, key_every=24)


def serially() -> SerialExecutor:
    stats = RunStats()
    return SerialExecutor(open_engine(SETTINGS.detection, SETTINGS.identity), lambda _: stats)


def analysed(film: Path, executor: Executor) -> Analysis:
    work = FilmInWork(film, SETTINGS)
    for _, error in FilmRunner(executor).run(iter([work])):
        if error is not None:
            raise error
    return work.finish(RunStats(), executor.workers)


def facts(analysis: Analysis) -> list[object]:
    """All that an analysis says, without how it was made."""
    return [
        analysis.faces.to_pydict(), analysis.people, analysis.tracks, analysis.intervals,
        analysis.shots, analysis.dropped, analysis.splits, analysis.thumbnails,
        analysis.warnings, analysis.info, analysis.frame_times.tobytes(),
        {track: vector.tobytes() for track, vector in analysis.embeddings.items()},
    ]  # fmt: skip
