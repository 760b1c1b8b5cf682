"""``facetrack.plan`` and ``facetrack.render``: clips of an analysis; ``write_report``: its page."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from facetrack.clips.camera.crops import read_crops
from facetrack.clips.plan.manifest import remove_manifest, write_manifest
from facetrack.clips.plan.photo import Enroller
from facetrack.clips.plan.plan import Plan, encoding_of, plan_clips
from facetrack.clips.render.overlay import Overlay
from facetrack.clips.render.render import ClipResult, render_clips
from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import UsageError
from facetrack.core.settings import ClipSettings, Settings
from facetrack.media.codecs import suffix_of
from facetrack.report.page import REPORT_FILE, page_of
from facetrack.timeline import Analysis


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

    >>> import facetrack
    >>> analysis = facetrack.analyze("talk.mp4")
    >>> for clip in facetrack.render(analysis, "out", facetrack.ClipSettings(size=256)):
    ...     print(clip.path.as_posix(), clip.frames)
    out/clips/person_01/person_01_0001.mp4 72

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


def write_report(analysis: Analysis, path: str | os.PathLike[str]) -> Path:
    """Writes the report, one HTML page that needs no network, and gives its path.

    Clips and thumbnails are linked where they lie beside the page, as in a folder that
    ``Analysis.save`` and ``render`` wrote to. Where the video still is, faces of doubtful tracks
    are cut out of it.

    Args:
        analysis: of the video.
        path: the page, or a folder, in which it is called ``report.html``. It appears under its
            name only when it is complete.

    Raises:
        OSError: when the page cannot be written.
    """
    page = Path(path)
    if page.suffix != Path(REPORT_FILE).suffix:
        page = page / REPORT_FILE
    page.parent.mkdir(parents=True, exist_ok=True)
    html = page_of(analysis, page.parent)
    with atomic_write(page) as temporary:
        temporary.write_bytes(html.encode("utf-8", "replace"))  # file names need not be UTF-8
    return page
