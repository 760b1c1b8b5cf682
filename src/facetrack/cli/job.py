"""Analyses the videos of one command, makes their clips, and prints the results."""

import json as jsonlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from facetrack import api
from facetrack.api.render import render_beside
from facetrack.cli.batch import Batch
from facetrack.cli.gallery_view import named_people_of, with_names
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
from facetrack.media.fingerprint import changed_since
from facetrack.report import write_report
from facetrack.runtime.metrics import as_line
from facetrack.timeline import METRICS_FILE, Analysis
from facetrack.timeline.folder import TIMELINE_FILE
from facetrack.timeline.own_folder import OwnFolder, claimed, own_folder


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
    return render_each(
        folders, settings.clips, None, crops, gallery, out, video,
        dry_run=dry_run, json=json, quiet=quiet,
    )  # fmt: skip


def render_each(
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
            plan, made, replaced = no_clips()
            place = folder
            if settings is not None:
                with ExitStack() as ended:
                    if out is not None:
                        own = ended.enter_context(place_for(analysis.info.path, out, dry_run))
                        place = own.path
                    view = ended.enter_context(ProgressView(1, quiet))
                    plan = api.plan(analysis, settings, crops=crops, enroller=enroller)
                    made, replaced = made_clips(
                        analysis, place, settings, plan, crops, dry_run=dry_run, view=view
                    )
            if made and changed_since(analysis.info):
                warn(
                    f"{analysis.info.path} is not as it was analysed; check the clips, analyse it "
                    "again, or say where the other is with --video"
                )
            code = code_of(replace(analysis, damaged=False), made)
            show_result(
                analysis, place, plan, made, replaced, code,
                dry_run=dry_run, json=json, quiet=quiet,
            )  # fmt: skip
            batch.done(code)
        except Exception as error:
            batch.failed(folder, error)
    return batch.close()


def place_for(
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


def saved_as(analysis: Analysis, folder: Path, quiet: bool) -> Analysis:
    """Saves the analysis and says what became of the edits of the one before; gives it as saved."""
    kept = save_again(analysis, folder)
    for problem in kept.problems:
        warn(f"{folder}: {problem}")
    if kept.again and not quiet:
        warn(f"{folder}: done again on the new result: {', '.join(kept.again)}")
    return Analysis.load(folder)


def made_clips(
    analysis: Analysis,
    folder: Path,
    settings: ClipSettings,
    plan: Plan,
    crops: Path | None = None,
    *,
    dry_run: bool,
    view: ProgressView,
) -> tuple[list[ClipResult], Replaced]:
    """Makes the planned clips, or says which in a dry run; warns of what was left out or failed."""
    if plan.rejected and not plan.clips:
        warn(f"{analysis.info.path}: no clip is left; {_in_short(plan.rejected)}")
    if dry_run:
        for warning in plan.warnings:
            warn(f"{analysis.info.path}: {warning}")
        _say_plan(folder, plan)
        return [], Replaced()
    view.start_clips(analysis.info.path.name, len(plan.clips))
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


def no_clips() -> tuple[Plan, list[ClipResult], Replaced]:
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


def code_of(analysis: Analysis, made: Sequence[ClipResult]) -> int:
    """The exit code of one video."""
    if any(clip.error for clip in made):
        return ClipError.exit_code
    return InputError.exit_code if analysis.damaged else 0


def show_result(
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
    """Prints what came of one video: a line of JSON, or a table unless ``quiet``."""
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
