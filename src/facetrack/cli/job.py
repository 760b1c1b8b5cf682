"""Analyses the videos of one command, makes their clips, and prints the results."""

import json as jsonlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from facetrack import api
from facetrack.api.render import render_beside
from facetrack.cli.batch import Batch
from facetrack.cli.gallery_view import named_people, named_people_of, with_names
from facetrack.cli.join_view import join
from facetrack.cli.people_view import counted, label_of
from facetrack.cli.progress import ProgressView
from facetrack.cli.terminal import Terminal, say, warn
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.plan import Plan, check_settings
from facetrack.clips.plan.segments import Rejected
from facetrack.clips.render.render import ClipResult
from facetrack.clips.render.side_by_side import Replaced
from facetrack.core.atomic_write import partial_name
from facetrack.core.errors import ClipError, InputError, UsageError
from facetrack.core.settings import ClipSettings, Settings
from facetrack.identity.kept_edits import save_again
from facetrack.identity.people_file import joined_in
from facetrack.media.fingerprint import changed_since
from facetrack.pipeline.engine import open_engine
from facetrack.report import write_report
from facetrack.runtime.metrics import as_line
from facetrack.timeline import METRICS_FILE, Analysis
from facetrack.timeline.folder import TIMELINE_FILE
from facetrack.timeline.own_folder import OwnFolder, claimed, own_folder


def run_videos(
    videos: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    clips: bool,
    gallery: Path | None = None,
    same_people: bool = False,
    dry_run: bool,
    json: bool,
    quiet: bool,
) -> int:
    """Analyses every video; one that fails does not stop the others.

    Args:
        clips: make clips too.
        gallery: names people that it recognises.
        same_people: the same person gets the same number in all videos; clips are then made after
            the last analysis.

    Returns:
        The exit code: 0, or that of the first video that failed.
    """
    _check_videos(videos)
    if same_people and dry_run:
        raise UsageError("--same-people changes folders, and --dry-run writes none; leave one out")
    named = named_people(gallery, settings.identity)
    photos = check_settings(settings.clips) if clips else []
    engine = open_engine(settings.detection, settings.identity)
    enroller = Enroller(engine)
    for photo in photos:  # an unusable photo is reported before hours of analysis
        enroller.enrol(photo, engine, settings.tracking.min_score)
    if not dry_run:
        out.mkdir(parents=True, exist_ok=True)
    batch, done = Batch(json), []
    planned: list[Path] = []
    for video in videos:
        try:
            with ExitStack() as ended:
                own = ended.enter_context(_place(video, out, dry_run, planned))
                folder = own.path
                planned.append(folder)
                if own.why is not None:
                    warn(own.why)
                view = ended.enter_context(ProgressView(video.name, quiet))
                with nullcontext() if dry_run else live_metrics(folder) as on_sample:
                    analysis = api.analyze(
                        video,
                        settings,
                        on_progress=view.analysed,
                        on_sample=on_sample,
                        engine=engine,
                    )
                for warning in analysis.warnings:
                    warn(f"{video}: {warning}")
                analysis = with_names(analysis, named, quiet)
                if not dry_run:
                    analysis = _saved(analysis, folder, quiet or json)
                    write_report(folder)
                    if not same_people and (joined := joined_in(folder)):
                        warn(f"{joined} is older; update it with: facetrack people join {out}")
                if same_people:
                    done.append(folder)
                    batch.done(_code_of(analysis, []))
                    continue
                plan, made, replaced = _nothing()
                if clips:
                    plan = api.plan(analysis, settings.clips, enroller=enroller)
                    made, replaced = _clips(
                        analysis, folder, settings.clips, plan, dry_run=dry_run, view=view
                    )
            code = _code_of(analysis, made)
            _show(
                analysis, folder, plan, made, replaced, code,
                dry_run=dry_run, json=json, quiet=quiet,
            )  # fmt: skip
            batch.done(code)
        except Exception as error:
            batch.failed(video, error)
    code = batch.close()
    if done:
        join(done, out, None, quiet or json)
        wanted = settings.clips if clips else None
        later = _render_each(done, wanted, enroller, dry_run=False, json=json, quiet=quiet)
        code = code or later
    return code


def render_folders(
    folders: Sequence[Path],
    settings: Settings,
    crops: Path | None,
    *,
    out: Path | None = None,
    video: Path | None = None,
    gallery: Path | None = None,
    dry_run: bool,
    json: bool,
    quiet: bool,
) -> int:
    """Makes clips from finished analyses; returns the exit code, as ``run_videos``.

    Args:
        crops: an edited ``crops.parquet``.
        out: where each video gets a folder for these clips; None: beside the other clips.
        video: where the video of the only folder is now.
    """
    if crops is not None and len(folders) != 1:
        raise UsageError(f"--crops {crops} belongs to one folder; give only that one")
    if video is not None and len(folders) != 1:
        raise UsageError(f"--video {video} belongs to one folder; give only that one")
    check_settings(settings.clips)
    return _render_each(
        folders, settings.clips, None, crops, gallery, out, video,
        dry_run=dry_run, json=json, quiet=quiet,
    )  # fmt: skip


def _render_each(
    folders: Sequence[Path],
    settings: ClipSettings | None,
    enroller: Enroller | None,
    crops: Path | None = None,
    gallery: Path | None = None,
    out: Path | None = None,
    video: Path | None = None,
    *,
    dry_run: bool,
    json: bool,
    quiet: bool,
) -> int:
    """Makes clips in each folder and prints the results; without ``settings``, only prints."""
    batch = Batch(json)
    for folder in folders:
        try:
            analysis = Analysis.load(folder, video)
            if gallery is not None:
                analysis = with_names(analysis, named_people_of(gallery, analysis), quiet)
            plan, made, replaced = _nothing()
            place = folder
            if settings is not None:
                with ExitStack() as ended:
                    if out is not None:
                        own = ended.enter_context(_place(analysis.info.path, out, dry_run))
                        place = own.path
                    view = ended.enter_context(ProgressView(folder.name, quiet))
                    plan = api.plan(analysis, settings, crops=crops, enroller=enroller)
                    made, replaced = _clips(
                        analysis, place, settings, plan, crops, dry_run=dry_run, view=view
                    )
            if made and changed_since(analysis.info):
                warn(
                    f"{analysis.info.path} is not as it was analysed; check the clips, analyse it "
                    "again, or say where the other is with --video"
                )
            code = _code_of(replace(analysis, damaged=False), made)
            _show(
                analysis, place, plan, made, replaced, code,
                dry_run=dry_run, json=json, quiet=quiet,
            )  # fmt: skip
            batch.done(code)
        except Exception as error:
            batch.failed(folder, error)
    return batch.close()


def _place(
    video: Path, out: Path, dry_run: bool, planned: Sequence[Path] = ()
) -> AbstractContextManager[OwnFolder]:
    """The video's folder in ``out``, claimed for the body; a dry run makes and claims none.

    ``planned``: folders that a dry run has given to other videos.
    """
    return nullcontext(own_folder(video, out, planned)) if dry_run else claimed(video, out)


@contextmanager
def live_metrics(folder: Path) -> Iterator[api.OnSample]:
    """Writes each sample at once, to a temporary file that lasts as long as the analysis."""
    path = partial_name(folder / METRICS_FILE)
    try:
        with path.open("w", buffering=1) as file:
            yield lambda sample: print(as_line(sample), end="", file=file)
    finally:
        path.unlink(missing_ok=True)


def _saved(analysis: Analysis, folder: Path, quiet: bool) -> Analysis:
    """Saves the analysis and says what became of the edits of the one before; gives it as saved."""
    kept = save_again(analysis, folder)
    for problem in kept.problems:
        warn(f"{folder}: {problem}")
    if kept.again and not quiet:
        warn(f"{folder}: done again on the new result: {', '.join(kept.again)}")
    return Analysis.load(folder)


def _clips(
    analysis: Analysis,
    folder: Path,
    settings: ClipSettings,
    plan: Plan,
    crops: Path | None = None,
    *,
    dry_run: bool,
    view: ProgressView,
) -> tuple[list[ClipResult], Replaced]:
    if plan.rejected and not plan.clips:
        warn(f"{analysis.info.path}: no clip is left; {_in_short(plan.rejected)}")
    if dry_run:
        for warning in plan.warnings:
            warn(f"{analysis.info.path}: {warning}")
        _say_plan(folder, plan)
        return [], Replaced()
    view.start_clips(len(plan.clips))
    made, replaced = render_beside(
        analysis, folder, settings, plan=plan, crops=crops, on_clip=lambda _: view.clip_done()
    )
    if (folder / TIMELINE_FILE).exists():
        write_report(folder)
    for clip in made:
        if clip.error:
            warn(f"{clip.path}: {clip.error}")
    for warning in _warnings_of(plan, made):
        warn(f"{analysis.info.path}: {warning}")
    if replaced.crops is not None:
        warn(f"{folder}/crops.parquet was edited; it is kept as {replaced.crops}")
    return made, replaced


def _nothing() -> tuple[Plan, list[ClipResult], Replaced]:
    """Where no clips are asked for."""
    return Plan([], []), [], Replaced()


def _warnings_of(plan: Plan, made: Sequence[ClipResult]) -> list[str]:
    """What the user should know of the clips of one film, one line each."""
    lost = [clip for clip in made if clip.sound_error]
    if not lost:
        return plan.warnings
    return [
        *plan.warnings,
        f"{lost[0].sound_error}; {len(lost)} of {counted(len(made), 'clip')} are silent there",
    ]


def _say_plan(folder: Path, plan: Plan) -> None:
    for clip in plan.clips:
        first, last = clip.segment.ranges[0], clip.segment.ranges[-1]
        say(f"would write {folder / clip.path}  {first.start_s:.3f} - {last.end_s:.3f} s")
    for one in plan.rejected:
        people = ", ".join(str(person) for person in one.people)
        start_s, end_s = one.frame_range.start_s, one.frame_range.end_s
        say(
            f"would leave out person {people}  {start_s:.3f} - {end_s:.3f} s: "
            f"{one.reason} ({one.detail})"
        )


def _in_short(left_out: Sequence[Rejected]) -> str:
    """Number of ranges for each reason, and an example of the most common one."""
    counts = Counter(one.reason for one in left_out).most_common()
    example = next(one.detail for one in left_out if one.reason == counts[0][0])
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts)
    return f"left out: {reasons} ({example})"


def _check_videos(videos: Sequence[Path]) -> None:
    """Raises ``UsageError`` when a video is given twice."""
    counts = Counter(os.path.realpath(video) for video in videos)
    twice = [path for path, n in counts.items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice; give each video once")


def _code_of(analysis: Analysis, made: Sequence[ClipResult]) -> int:
    if any(clip.error for clip in made):
        return ClipError.exit_code
    return InputError.exit_code if analysis.damaged else 0


def _show(
    analysis: Analysis,
    folder: Path,
    plan: Plan,
    made: Sequence[ClipResult],
    replaced: Replaced,
    code: int,
    *,
    dry_run: bool,
    json: bool,
    quiet: bool,
) -> None:
    written = [clip for clip in made if not clip.error]
    if json:
        line = {
            "video": str(analysis.info.path),
            "out": None if dry_run else str(folder),
            "frames": analysis.info.frame_count,
            "people": len(analysis.people),
            "clips": len(written),
            "replaced": replaced.clips,
            "left_out": len(plan.rejected),
            "dropped": len(analysis.dropped),
            "warnings": [*analysis.warnings, *_warnings_of(plan, made)],
            "error": None,
            "exit_code": code,
            **analysis.performance,
        }
        print(jsonlib.dumps(line), flush=True)
    elif not quiet:
        _table(analysis, folder, plan, len(written), replaced, dry_run)


def _table(
    analysis: Analysis, folder: Path, plan: Plan, clips: int, replaced: Replaced, dry_run: bool
) -> None:
    speed = analysis.performance.get("frames_per_second")
    table = Table(
        title=f"{analysis.info.path.name}: {analysis.info.frame_count} frames, "
        f"{analysis.info.duration_s:.2f} s, {speed} frames/s"
    )
    for column in ("person", "seconds", "frames", "on screen"):
        table.add_column(column, justify="right" if column in ("seconds", "frames") else "left")
    for person in analysis.people:
        intervals = [i for i in analysis.intervals if i.person == person.id]
        shown = ", ".join(f"{s.start_s:.2f}-{s.end_s:.2f}" for s in intervals[:4])
        more = f" and {len(intervals) - 4} more" if len(intervals) > 4 else ""
        table.add_row(label_of(person), f"{person.seconds:.2f}", str(person.frames), shown + more)
    console = Terminal()
    console.print(table)
    if not dry_run:
        if plan.rejected:
            console.print(_in_short(plan.rejected), highlight=False)
        if replaced.clips:
            more = f" and {len(replaced.clips) - 1} more" if len(replaced.clips) > 1 else ""
            said = f"replaced {counted(len(replaced.clips), 'clip')} of before: {replaced.clips[0]}"
            console.print(f"{said}{more}", highlight=False)
        if replaced.others:
            said = f"{counted(replaced.others, 'clip')} of other renders unchanged"
            console.print(said, highlight=False)
        what = "timeline and faces" if (folder / TIMELINE_FILE).exists() else "crops"
        console.print(f"{counted(clips, 'clip')}, {what} in {folder}", highlight=False)
