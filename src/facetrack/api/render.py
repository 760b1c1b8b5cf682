"""``facetrack.plan`` and ``facetrack.render``: clips of an analysis; ``write_report``: its page."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facetrack.clips.camera.crops import read_crops
from facetrack.clips.plan.manifest import write_manifest
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.plan import Plan, encoding_of, plan_clips, streams_of
from facetrack.clips.render.overlay import Overlay
from facetrack.clips.render.render import ClipResult, render_clips
from facetrack.clips.render.side_by_side import Replaced, SideBySide
from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import UsageError
from facetrack.core.folder_lock import locked
from facetrack.core.settings import ClipSettings
from facetrack.media.codecs import suffix_of
from facetrack.report.page import REPORT_FILE, page_of, sealed
from facetrack.report.page import write_report as write_folder_report
from facetrack.timeline import Analysis
from facetrack.timeline.clip_switch import (
    continued,
    discard,
    finished_list,
    keep_finished,
    remove_others,
)
from facetrack.timeline.history import History


def plan(
    analysis: Analysis,
    settings: ClipSettings | None = None,
    *,
    crops: str | os.PathLike[str] | None = None,
    enroller: Enroller | None = None,
) -> Plan:
    """Decides which clips ``render`` writes; writes nothing.

    Args:
        analysis: of the video.
        settings: the people, times, framing and encoding of clips; the defaults when left out.
        crops: an edited ``crops.parquet``. Its clips, frames and sizes are used, and those of the
            settings are not.
        enroller: keeps the faces of photos that are targets, so that each photo is read once.

    Returns:
        The clips, and the times on screen that are in no clip, with the reason.

    Raises:
        TargetError: when a target is nobody in this video.
        UsageError: when settings contradict each other.
        InputError: when the crop file cannot be read.
    """
    settings = settings or ClipSettings()
    if crops is None:
        return plan_clips(analysis, settings, enroller)
    if settings.data_set:
        raise UsageError("edited crops cannot make a data set; render them without the preset")
    clips = read_crops(Path(crops), analysis)
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

    They appear together at the end, and take the place of earlier clips of the same render: of the
    same files, of the same people under the same names, or of the same targets. Where one of them
    failed, the others take the place of the same files alone. What an interrupted render had
    finished is kept by the next one. Clips of other renders stay, and so does every file that no
    render wrote.

    >>> import facetrack
    >>> analysis = facetrack.analyze("talk.mp4")
    >>> for clip in facetrack.render(analysis, "out", facetrack.ClipSettings(size=256)):
    ...     print(clip.path.as_posix(), clip.frames)
    out/clips/person_01/person_01_0001.mp4 72

    Args:
        analysis: of the video, whose file must still exist.
        out: folder; it is made if it is missing.
        settings: the people, times, framing and encoding of clips; the defaults when left out.
        plan: the clips to write, as ``plan`` gives them; made from ``settings`` when left out.
        on_clip: called after each clip, in the caller's thread.

    Returns:
        One result for each clip, in the order of the plan. The result of a clip that could not be
        written has its ``error``.

    Raises:
        TargetError: when a target is nobody in this video.
        UsageError: when settings contradict each other.
        InputError: when the video no longer exists, or a folder of clips is a link.
        OutputError: when another process is at work in ``out``, or a file that no render wrote has
            a clip's name.
    """
    return render_beside(analysis, out, settings, plan=plan, on_clip=on_clip)[0]


def render_beside(
    analysis: Analysis,
    out: str | os.PathLike[str],
    settings: ClipSettings | None = None,
    *,
    plan: Plan | None = None,
    crops: Path | None = None,
    on_clip: Callable[[ClipResult], None] | None = None,
) -> tuple[list[ClipResult], Replaced]:
    """Does ``render``, and also gives what was replaced; ``crops``: where the plan comes from."""
    out, settings = Path(out), settings or ClipSettings()
    plan = plan or plan_clips(analysis, settings)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        History(out).settle()
        beside = SideBySide(out, analysis.info, plan.clips, settings, crops)
        new = continued(out)

        def done(clip: ClipResult) -> None:
            if on_clip is not None:
                on_clip(_in_place(clip, new, out))

        try:
            made = render_clips(
                analysis.info.path,
                plan.clips,
                new,
                encoding_of(settings, analysis.info.hdr is not None),
                settings.jobs,
                Overlay.of(analysis) if settings.debug_overlay else None,
                done,
                streams_of(analysis.info, settings),
                analysis.info.clock,
                finished_list(out),
            )
            written = {c.path.relative_to(new): c.sound_error for c in made if not c.error}
            wavs = {p.with_suffix(".wav") for p in written} if settings.wav_rate else set()
            remove_others(new, {path.as_posix() for path in written.keys() | wavs})
            if settings.data_set:
                write_manifest(new, analysis, plan, written, settings)
            replaced = beside.switch(new, made)
        except KeyboardInterrupt:
            keep_finished(out)
            raise
        except BaseException:
            discard(out)
            raise
        discard(out)
    return [_in_place(clip, new, out) for clip in made], replaced


def _in_place(clip: ClipResult, new: Path, out: Path) -> ClipResult:
    """The result with the path that the clip has after the switch."""
    return replace(clip, path=out / clip.path.relative_to(new))


def write_report(
    analysis: Analysis | str | os.PathLike[str], path: str | os.PathLike[str] | None = None
) -> Path:
    """Writes the report, one HTML page that needs no network, and gives its path.

    Clips and thumbnails are linked where they lie beside the page, as in a folder that
    ``Analysis.save`` and ``render`` wrote to. Where the video still is, faces of doubtful tracks
    are cut out of it.

    Args:
        analysis: of the video; or the folder of a saved analysis.
        path: the page, or a folder, in which it is called ``report.html``. It appears under its
            name only when it is complete. None: in the folder of the saved analysis.

    Raises:
        InputError: when the folder holds no complete analysis.
        UsageError: when ``path`` is missing.
        OSError: when the page cannot be written.
    """
    if not isinstance(analysis, Analysis):
        if path is None:
            return write_folder_report(analysis)
        analysis = Analysis.load(analysis)
    if path is None:
        raise UsageError("path is None; it must be a file or folder for the report")
    page = Path(path)
    if page.suffix != Path(REPORT_FILE).suffix:
        page = page / REPORT_FILE
    page.parent.mkdir(parents=True, exist_ok=True)
    html = sealed(page_of(analysis, page.parent))
    with atomic_write(page) as temporary:
        temporary.write_bytes(html)
    return page
