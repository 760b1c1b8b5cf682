"""Analyses the videos of one command side by side, makes their clips, and prints the results."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from facetrack import api
from facetrack.api.verify import verify
from facetrack.cli.batch import Batch
from facetrack.cli.failures import described_of
from facetrack.cli.gallery_view import Named, named_people, with_names
from facetrack.cli.job import (
    code_of,
    live_metrics,
    made_clips,
    no_clips,
    place_for,
    render_each,
    saved_as,
    show_result,
)
from facetrack.cli.join_view import join
from facetrack.cli.progress import ProgressView
from facetrack.cli.terminal import warn
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.plan import check_settings
from facetrack.core.errors import ClipError, InputError, UsageError
from facetrack.core.settings import Settings
from facetrack.identity.people_file import joined_in
from facetrack.jobs.checkpoints import Checkpoints
from facetrack.jobs.choice import process_executor, ray_executor
from facetrack.jobs.executors import Executor, SerialExecutor
from facetrack.jobs.film import FilmInWork, film_key
from facetrack.jobs.progress import Progress
from facetrack.jobs.run import FilmRunner
from facetrack.jobs.table import JobTable
from facetrack.media.fingerprint import fingerprint
from facetrack.pipeline.engine import Engine, open_engine
from facetrack.report import write_report
from facetrack.runtime.monitor import Monitor
from facetrack.runtime.process import memory_is_limited
from facetrack.runtime.run_stats import RunStats
from facetrack.timeline import Analysis
from facetrack.timeline.own_folder import OwnFolder


@dataclass(frozen=True)
class RunOptions:
    """What ``facetrack run`` and ``analyze`` are asked for beside the settings."""

    clips: bool
    """Make clips too."""
    gallery: Path | None = None
    """Names people that it recognises."""
    same_people: bool = False
    """The same person gets the same number in all videos; clips are then made after the last
    analysis."""
    jobs: int | None = None
    """Worker processes, on GPUs for each of them; None: one a core, or one a GPU."""
    gpus: Sequence[str] = ()
    """Numbers or UUIDs of the GPUs that work; empty: the first one, in this process."""
    ray_address: str | None = None
    """Of the Ray cluster that does the analysis, or ``local``; None: this computer does it."""
    memory_bytes: int | None = None
    """Memory of all workers together; None: half of what is available."""
    again: bool = False
    """Analyse and render what is done already, too."""
    dry_run: bool = False
    json: bool = False
    quiet: bool = False


def run_videos(videos: Sequence[Path], out: Path, settings: Settings, options: RunOptions) -> int:
    """Analyses every video; one that fails does not stop the others.

    Returns:
        The exit code: 0, or that of the first video that failed.
    """
    _check_videos(videos)
    if options.same_people and options.dry_run:
        raise UsageError("--same-people changes folders, and --dry-run writes none; leave one out")
    with ExitStack() as ended:
        run = _Run(videos, out, settings, options, ended)
        code = run.all_videos()
    if run.to_join:
        join(run.to_join, out, None, options.quiet or options.json)
        wanted = settings.clips if options.clips else None
        later = render_each(
            run.to_join, wanted, run.enroller,
            dry_run=False, json=options.json, quiet=options.quiet,
        )  # fmt: skip
        code = code or later
    return code


@dataclass
class _Film:
    """A video in work, and what ends with it."""

    folder: Path
    stats: RunStats
    monitor: Monitor
    ended: ExitStack


class _Run:
    """The videos of one command."""

    def __init__(
        self,
        videos: Sequence[Path],
        out: Path,
        settings: Settings,
        options: RunOptions,
        ended: ExitStack,
    ) -> None:
        """``ended``: closes all that is opened here."""
        self._videos, self._out = videos, out
        self._settings, self._options = settings, options
        self._done: dict[Path, Path] = {}
        """Folder of each video whose people are joined in the end."""
        self._named: Named | None = named_people(options.gallery, settings.identity)
        photos = check_settings(settings.clips) if options.clips else []
        engine: Engine | None = None
        if photos or memory_is_limited():  # networks first: libraries that lack memory later abort
            engine = open_engine(settings.detection, settings.identity)
        self.enroller = Enroller(engine)
        for photo in photos:  # an unusable photo is reported before hours of analysis
            assert engine is not None
            self.enroller.enrol(photo, engine, settings.tracking.min_score)
        self._table: JobTable | None = None
        self._checkpoints: Checkpoints | None = None
        if not options.dry_run:
            out.mkdir(parents=True, exist_ok=True)
            self._table = ended.enter_context(JobTable(out))
            self._checkpoints = Checkpoints(out, self._table)
        self._engine = engine
        self._opened: dict[Path, FilmInWork] = {}
        """The only film, which was opened to choose what does the work."""
        self._executor = ended.enter_context(self._opened_executor())
        self._view = ended.enter_context(ProgressView(len(videos), options.quiet))
        self._batch = Batch(options.json)
        self._films: dict[Path, _Film] = {}
        self._planned: list[Path] = []
        ended.callback(self._end_all)

    @property
    def to_join(self) -> list[Path]:
        """Folders of which the people are joined in the end, in the order of their videos."""
        return [self._done[video] for video in self._videos if video in self._done]

    def all_videos(self) -> int:
        """Analyses all; returns the exit code."""
        runner = FilmRunner(self._executor, self._report, self._checkpoints)
        for film, error in runner.run(self._begun()):
            work = self._films.pop(film.path)
            try:
                with work.ended:
                    if error is not None:
                        raise error
                    self._end(film, work)
            except Exception as failure:
                self._failed(film.path, failure)
        return self._batch.close()

    def _report(self, film: FilmInWork, now: Progress) -> None:
        stats = self._films[film.path].stats
        if self._executor.workers > 1:  # else the stages count them
            stats.frames_detected = stats.frames_tracked = now.frames
        self._view.analysed(film.path.name, now)

    def _opened_executor(self) -> Executor:
        settings, options = self._settings, self._options
        if options.ray_address is not None:
            return ray_executor(settings.detection.device, options.ray_address, options.jobs)
        only = None
        if len(self._videos) == 1 and not memory_is_limited():
            with suppress(Exception):  # it is reported where the video's turn comes
                only = self._opened[self._videos[0]] = FilmInWork(self._videos[0], settings)
        processes = process_executor(
            settings.detection.device, len(self._videos), only,
            options.jobs, options.gpus, options.memory_bytes,
        )  # fmt: skip
        if processes is not None:
            return processes
        if self._engine is None:
            self._engine = open_engine(settings.detection, settings.identity)
        return SerialExecutor(self._engine, lambda item: self._films[item.path].stats)

    def _begun(self) -> Iterator[FilmInWork]:
        """Each video that can be read and is not done yet."""
        for video in self._videos:
            ended = ExitStack()
            try:
                if self._is_done(video):
                    continue
                film = self._begin(video, ended)
            except Exception as error:
                ended.__exit__(type(error), error, error.__traceback__)
                self._failed(video, error)
                continue
            yield film

    def _begin(self, video: Path, ended: ExitStack) -> FilmInWork:
        options, settings = self._options, self._settings
        own: OwnFolder = ended.enter_context(
            place_for(video, self._out, options.dry_run, self._planned)
        )
        self._planned.append(own.path)
        if own.why is not None:
            warn(own.why)
        film = self._opened.pop(video, None) or FilmInWork(video, settings)
        if self._table is not None:
            self._table.begin(video, own.path, film)
        stats = RunStats()
        on_sample = ended.enter_context(
            nullcontext(None) if options.dry_run else live_metrics(own.path)
        )
        monitor = ended.enter_context(
            Monitor(stats, self._executor.gpu, on_sample, self._executor.pids)
        )
        self._films[video] = _Film(own.path, stats, monitor, ended)
        return film

    def _end(self, film: FilmInWork, work: _Film) -> None:
        """Saves the analysis of a film, makes its clips, and prints the result."""
        options = self._options
        analysis = film.finish(work.stats, self._executor.workers, work.monitor)
        for warning in analysis.warnings:
            warn(f"{film.path}: {warning}")
        analysis = with_names(analysis, self._named, options.quiet)
        if not options.dry_run:
            analysis = saved_as(analysis, work.folder, options.quiet or options.json)
            write_report(work.folder)
            if self._table is not None and self._checkpoints is not None:
                self._table.analysed(film.path, analysis.info.frame_count)
                self._checkpoints.forget(film.key)
            if not options.same_people and (joined := joined_in(work.folder)):
                warn(f"{joined} is older; update it with: facetrack people join {self._out}")
        code = code_of(analysis, [])
        if options.same_people:
            self._done[film.path] = work.folder
            self._batch.done(code)
        else:
            code = self._render(analysis, work.folder)
        self._is_ended(film.path, film.key, analysis, code)

    def _render(self, analysis: Analysis, folder: Path) -> int:
        """Makes the clips of a film, if any are asked for, and prints the result."""
        options, settings = self._options, self._settings.clips
        plan, made, replaced = no_clips()
        if options.clips:
            plan = api.plan(analysis, settings, enroller=self.enroller)
            made, replaced = made_clips(
                analysis, folder, settings, plan, dry_run=options.dry_run, view=self._view
            )
        code = code_of(analysis, made)
        show_result(
            analysis, folder, plan, made, replaced, code,
            dry_run=options.dry_run, json=options.json, quiet=options.quiet,
        )  # fmt: skip
        self._batch.done(code)
        return code

    def _is_done(self, video: Path) -> bool:
        """Whether an earlier run has analysed the video with these settings; if so, its clips are
        made where they are missing, and the result is printed."""
        row = None if self._table is None else self._table.film(video)
        if row is None or self._options.again or row.frames == 0:
            return False
        print_of = fingerprint(video)
        if film_key(print_of, self._settings) != row.key:
            changed = "the video" if print_of != row.fingerprint else "a setting or a version"
            warn(f"{video}: analysed again: {changed} has changed")
            return False
        with place_for(video, self._out, dry_run=False) as own:
            try:
                if wrong := verify(own.path, decode=False).bad:
                    raise InputError(f"{own.path}: {wrong[0]}")
                analysis = Analysis.load(own.path)
            except InputError as error:
                warn(f"{video}: analysed again: {error}")
                return False
            if not self._options.quiet:
                warn(f"{video}: analysed before, in {own.path}; --again does it anew")
            if self._options.same_people:
                self._done[video] = own.path
                self._batch.done(code_of(analysis, []))
                return True
            if row.clips == self._clips_key:
                code = code_of(analysis, [])
                show_result(
                    analysis, own.path, *no_clips(), code,
                    dry_run=False, json=self._options.json, quiet=self._options.quiet,
                )  # fmt: skip
                self._batch.done(code)
            else:
                code = self._render(analysis, own.path)
                self._is_ended(video, row.key, analysis, code)
        return True

    @property
    def _clips_key(self) -> str:
        """Names the clips that are asked for; empty: none."""
        clips = self._settings.as_dict()["clips"] | {"jobs": None}  # they are the same with any
        return json.dumps(clips, sort_keys=True) if self._options.clips else ""

    def _is_ended(self, video: Path, key: str, analysis: Analysis, code: int) -> None:
        """Notes that a video is done; where clips failed, that they are missing."""
        if self._table is not None and self._checkpoints is not None:
            clips = "" if code == ClipError.exit_code else self._clips_key
            self._table.end(video, analysis.info.frame_count, clips)
            self._checkpoints.forget(key)

    def _failed(self, video: Path, error: Exception) -> None:
        self._batch.failed(video, error)
        if self._table is not None:
            self._table.fail(video, str(described_of(video, error)))

    def _end_all(self) -> None:
        """Ends what an interrupted run has in work."""
        stopped = KeyboardInterrupt()
        for work in self._films.values():
            work.ended.__exit__(KeyboardInterrupt, stopped, None)


def _check_videos(videos: Sequence[Path]) -> None:
    """Raises ``UsageError`` when a video is given twice."""
    counts = Counter(os.path.realpath(video) for video in videos)
    twice = [path for path, n in counts.items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice; give each video once")
