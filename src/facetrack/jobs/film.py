"""A film in work: its plan, the results of its chunks as they come, and the analysis in the end."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from facetrack.core.environment import hardware, versions
from facetrack.core.limits import check_limit
from facetrack.core.settings import Settings
from facetrack.identity.uncertain import uncertain
from facetrack.jobs.item import Item
from facetrack.media.decode import PyavSource, ReadFacts
from facetrack.media.fingerprint import fingerprint
from facetrack.media.opening import absolute
from facetrack.pipeline.analyze_chunk import streams_of
from facetrack.pipeline.chunk_plan import Chunk, chunk_plan
from facetrack.pipeline.chunk_result import ChunkResult, FilmFacts
from facetrack.pipeline.face_analyzer import AnalyzedFrames
from facetrack.pipeline.id_timeline_generator import IdTimelineGenerator
from facetrack.runtime.metrics import summary
from facetrack.runtime.monitor import Monitor
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis, Dropped
from facetrack.timeline.frame_sizes import changing_sizes


class FilmInWork:
    """Takes the results of a film's items in any order.

    Raises:
        InputError: on opening, when the file is missing or holds no video.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path, self.settings = path, settings
        self.fingerprint = fingerprint(path)
        decode = settings.decode
        self._streams = streams_of(decode)
        self._chunks: list[Chunk] = []
        self._generator: IdTimelineGenerator | None = None
        self._waiting: dict[int, ChunkResult] = {}
        """Results whose chunks come after one that is not there yet."""
        self._next = 0
        self._last: ChunkResult | None = None
        self._read: ReadFacts
        self._stages: dict[str, float] = {}
        with PyavSource(path, self._streams) as source:
            self.expected_frames = source.expected_frames(decode.start_s, decode.duration_s)
            check_limit(f"{path}: its frames", "frames", self.expected_frames or 0)
            if (index := source.index()) is not None:
                self._chunks = chunk_plan(index, decode, settings.detection)
                self.expected_frames = sum(chunk.stop - chunk.first for chunk in self._chunks)
        self.key = film_key(self.fingerprint, settings)
        """As ``film_key``."""
        chunks: Sequence[Chunk | None] = self._chunks or [None]
        self.items = [Item(path, chunk, settings) for chunk in chunks]
        """All the work of the film, in order."""

    def read_as_a_whole(self) -> None:
        """Begins anew with one item for the film: it cannot be read from the middle."""
        self._chunks, self.items = [], [Item(self.path, None, self.settings)]
        self._generator, self._last = None, None
        self._waiting, self._stages, self._next = {}, {}, 0

    @property
    def is_done(self) -> bool:
        """Whether the results of all items are there."""
        return self._next == len(self.items)

    @property
    def people_so_far(self) -> int:
        """Number of people in the chunks that were taken, in order, so far."""
        return 0 if self._generator is None else self._generator.people_so_far

    def add(self, item: Item, result: ChunkResult) -> None:
        """Takes the result of an item."""
        self._waiting[item.number] = result
        while (result_of_next := self._waiting.pop(self._next, None)) is not None:
            self._take(result_of_next)

    def _take(self, result: ChunkResult) -> None:
        if self._generator is None:
            settings = self.settings
            self._generator = IdTimelineGenerator(
                result.recognizer, result.featureless, settings.tracking, settings.identity
            )
        self._generator.add(result)
        for stage, seconds in result.stages.items():
            self._stages[stage] = self._stages.get(stage, 0.0) + seconds
        self._read = result.read if self._last is None else result.read.after(self._read)
        self._last = result
        self._next += 1

    def finish(self, stats: RunStats, workers: int, monitor: Monitor | None = None) -> Analysis:
        """The analysis, once all items are there.

        Args:
            stats: of the run.
            workers: number of items that were worked on at the same time.
            monitor: of the run, which ends here; None: the load was not sampled.

        Raises:
            InputError: when no frame was read.
        """
        assert self._generator is not None and self._last is not None
        generator, last = self._generator, self._last
        analyzed = generator.frames
        facts = last.film or self._facts(analyzed)
        info = replace(facts.info, path=absolute(self.path), fingerprint=self.fingerprint)
        with stats.stages.people:
            timeline = generator.finish(info.duration_s)
        warnings = [*facts.warnings, *facts.notes]
        if not timeline.people:
            warnings.append(_why_nobody(analyzed, timeline.dropped))
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
            recognizer=last.recognizer,
            splits=timeline.splits,
            thumbnails=timeline.thumbnails,
            warnings=warnings,
            damaged=facts.damaged,
            settings=self.settings.as_dict(),
        )
        if monitor is not None:
            monitor.stop()
            if monitor.warning is not None:
                warnings.append(monitor.warning)
            analysis = replace(analysis, metrics=monitor.samples())
        performance = self._performance(stats, workers, analyzed, last, last.decoder)
        if monitor is not None:
            performance["metrics"] = summary(analysis.metrics)
        return replace(analysis, performance=performance, uncertain=uncertain(analysis))

    def _facts(self, analyzed: AnalyzedFrames) -> FilmFacts:
        """What reading the film as a whole would have told."""
        sizes = Counter((height, width) for width, height in analyzed.sizes)
        span = self._chunks[-1].span
        with PyavSource(self.path, self._streams) as source:
            source.told(sizes, self._read, span.to_the_end)
            return FilmFacts(source.info(), source.warnings, source.notes, source.damaged)

    def _performance(
        self,
        stats: RunStats,
        workers: int,
        analyzed: AnalyzedFrames,
        last: ChunkResult,
        decoder: str,
    ) -> dict[str, Any]:
        seconds, sizes = stats.seconds, analyzed.batch_sizes
        here = stats.stages.seconds()
        of_workers = {} if workers == 1 else self._stages  # else they are in ``stats``
        stages = {stage: s + of_workers.get(stage, 0.0) for stage, s in here.items()}
        return {
            "engine": last.engine.name,
            "detector": last.engine.detector,
            "recognizer": last.engine.recognizer,
            "decoder": decoder,
            "workers": workers,
            "chunks": len(self.items),
            "frames": len(analyzed.times_s),
            "key_frames": analyzed.key_frames,
            "looks": analyzed.redetections,
            "batch_sizes": {str(n): sizes[n] for n in sorted(sizes)},
            "faces": analyzed.faces,
            "embedded_faces": analyzed.embedded_faces,
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(analyzed.times_s) / seconds, 2),
            "stages": {
                stage: {"seconds": round(s, 3), "share": round(s / seconds, 4)}
                for stage, s in stages.items()
            },
            "batch_size_changes": [list(change) for change in stats.batch_changes.items()],
            "machine": hardware(self.settings.detection.device),
            "versions": versions(),
        }


def film_key(fingerprint: str | None, settings: Settings) -> str:
    """Names a film and all that its analysis depends on: file, settings and versions.

    ``fingerprint``: as ``media.fingerprint`` gives it.
    """
    tables = settings.as_dict()
    wanted = [tables[table] for table in ("decode", "detection", "tracking", "identity")]
    facts = json.dumps([fingerprint, wanted, versions()], sort_keys=True)
    return hashlib.sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _why_nobody(analyzed: AnalyzedFrames, dropped: Sequence[Dropped]) -> str:
    if not analyzed.faces:
        return "nobody found: no face in any frame"
    longest = max(dropped, key=lambda track: track.last_frame - track.first_frame)
    tracks = "1 track" if len(dropped) == 1 else f"all {len(dropped)} tracks dropped, the longest"
    reason = (
        longest.detail if longest.reason == "too short" else f"{longest.reason}, {longest.detail}"
    )
    return f"nobody found: {tracks}, {reason} (see 'dropped' in timeline.json)"
