"""``facetrack verify --repair``: makes missing and damaged files of a result again.

Thumbnails and clips are made from the video, the report from the other files, and tables by
analysing the video again with the stored settings. Files that are whole are not touched.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from facetrack.api.analyze import analyze
from facetrack.api.render import plan
from facetrack.api.verify import Finding, Verified, verify
from facetrack.clips.camera.crops import read_crops, write_crops
from facetrack.clips.plan.clip import Clip
from facetrack.clips.plan.manifest import write_manifest
from facetrack.clips.plan.plan import Plan, encoding_of, streams_of
from facetrack.clips.render.overlay import Overlay
from facetrack.clips.render.render import render_clips
from facetrack.clips.render.side_by_side import rendered_clip
from facetrack.core.atomic_write import atomic_write
from facetrack.core.errors import ClipError, FacetrackError, InputError
from facetrack.core.folder_lock import locked
from facetrack.core.settings import ClipSettings, Settings, settings_from
from facetrack.core.types import Float32, VideoInfo
from facetrack.identity.person_images import cut_thumbnails
from facetrack.report.page import REPORT_FILE, write_report
from facetrack.timeline import Analysis, clip_switch
from facetrack.timeline.checksums import facts_of, read_checksums
from facetrack.timeline.folder import (
    TIMELINE_FILE,
    UNREADABLE,
    StoredTables,
    TimelineFile,
    fields_of,
    read_timeline,
    with_people,
    write_folder,
)
from facetrack.timeline.frame_sizes import Sizes
from facetrack.timeline.history import History
from facetrack.timeline.history_files import is_result_file
from facetrack.timeline.parts import FORGOTTEN
from facetrack.timeline.rendered import (
    CROPS_FILE,
    DATA_SET_FILES,
    Render,
    RenderedClip,
    read_renders,
    write_renders,
)
from facetrack.timeline.video_place import located

T = TypeVar("T")


@dataclass
class Repaired:
    """What was made again, and why the rest was not."""

    made: list[str] = field(default_factory=list)
    """Paths in the folder."""
    problems: list[str] = field(default_factory=list)
    """One line each."""
    left: Verified | None = None
    """The state of the result afterwards."""


def repair(folder: Path, findings: Sequence[Finding], video: Path | None = None) -> Repaired:
    """Makes files of a result again.

    Args:
        folder: of the result.
        findings: what ``verify`` found.
        video: where the video is now, if not where it is looked for.

    Raises:
        OutputError: when another process is at work in the folder.
        OSError: when a file cannot be written.
    """
    bad = {finding.path for finding in findings if finding.kind != "edited"}
    repaired = Repaired()
    with locked(folder):
        History(folder).settle()
        steps: list[Callable[[], None]] = []
        if any(is_result_file(name) for name in bad):
            steps.append(lambda: _mend_analysis(folder, bad, video))
        if any(not is_result_file(name) and name != REPORT_FILE for name in bad):
            steps.append(lambda: _mend_clips(folder, bad, video))
        steps.append(lambda: _write_report(folder))
        for step in steps:
            try:
                step()
            except FacetrackError as error:
                repaired.problems.append(str(error))
        repaired.left = verify(folder)
    repaired.made += sorted(bad - {finding.path for finding in repaired.left.bad})
    return repaired


def _write_report(folder: Path) -> None:
    if (folder / TIMELINE_FILE).exists():  # else it holds clips alone
        write_report(folder)


def _mend_analysis(folder: Path, bad: set[str], video: Path | None) -> None:
    history = History(folder)
    if TIMELINE_FILE in bad and (latest := history.latest_state()) is not None:
        with atomic_write(folder / TIMELINE_FILE) as path:
            shutil.copyfile(latest, path)
    try:
        file = read_timeline(folder)
    except InputError:
        again = _from_checksums(folder, video)
        history.mend(lambda new: write_folder(again, new))
        return
    info = located(file.source.info, folder, video)
    stored = StoredTables(folder, file)
    tables = _Mended(stored, file, info)
    thumbnails: dict[int, bytes] = {}
    for person in file.people:
        if person.thumbnail and person.thumbnail not in bad:
            with suppress(OSError):
                thumbnails[person.id] = stored.thumbnail(person.thumbnail)
    lost = [p.id for p in file.people if p.thumbnail and p.id not in thumbnails]
    mended = Analysis(**fields_of(file, info, tables, thumbnails))
    if lost:
        mended = replace(cut_thumbnails(mended, lost), people=file.people)
        still = sorted(set(lost) - mended.thumbnails.keys())
        if still:
            raise InputError(f"{folder}: no frame for the thumbnail of person {still[0]} is left")
    # ``timeline.json`` may have been edited by hand: it stays byte for byte.
    history.mend(lambda new: _write_beside(mended, folder, new))


def _write_beside(mended: Analysis, folder: Path, new: Path) -> None:
    write_folder(mended, new)
    if (folder / TIMELINE_FILE).read_bytes() != (new / TIMELINE_FILE).read_bytes():
        shutil.copyfile(folder / TIMELINE_FILE, new / TIMELINE_FILE)


def _from_checksums(folder: Path, video: Path | None) -> Analysis:
    """The analysis made again from what ``files.json`` says of it."""
    stored = read_checksums(folder)
    if not stored.settings:
        raise InputError(
            f"{folder}: {TIMELINE_FILE} is lost, and with it the settings; analyse the video again"
        )
    info = VideoInfo(
        Path(stored.video), 1, 1, 0, 0, Fraction(1), 0.0, False, "", stored.fingerprint
    )
    return analyze(located(info, folder, video).path, _settings(stored.settings))


def _settings(stored: dict[str, object]) -> Settings:
    return settings_from({name: table for name, table in stored.items() if isinstance(table, dict)})


class _Mended:
    """The tables that are whole, and those that are not from an analysis made again."""

    def __init__(self, stored: StoredTables, file: TimelineFile, info: VideoInfo) -> None:
        self._stored, self._file, self._info = stored, file, info
        self._again: Analysis | None = None

    @property
    def frame_times(self) -> NDArray[np.float64]:
        return self._read(lambda: self._stored.frame_times, lambda new: new.frame_times)

    @property
    def frame_sizes(self) -> Sizes | None:
        return self._read(lambda: self._stored.frame_sizes, lambda new: new.frame_sizes)

    @property
    def faces(self) -> pa.Table:
        return self._read(lambda: self._stored.faces, self._faces)

    @property
    def embeddings(self) -> dict[int, Float32]:
        return self._read(lambda: self._stored.embeddings, self._embeddings)

    @property
    def metrics(self) -> pa.Table:
        return self._read(lambda: self._stored.metrics, lambda new: new.metrics)

    def _read(self, stored: Callable[[], T], again: Callable[[Analysis], T]) -> T:
        try:
            return stored()
        except (*UNREADABLE, InputError):
            return again(self._analysis())

    def _faces(self, new: Analysis) -> pa.Table:
        gone = pa.array(sorted(self._forgotten), pa.int32())
        rows = new.faces.filter(pc.invert(pc.is_in(new.faces["track"], gone)))
        first = self._file.source.first_frame
        return with_people(rows, self._file.tracks, (first, first + len(new.frame_times)))

    def _embeddings(self, new: Analysis) -> dict[int, Float32]:
        return {t: e for t, e in new.embeddings.items() if t not in self._forgotten}

    @property
    def _forgotten(self) -> set[int]:
        return {d.track for d in self._file.dropped if d.reason == FORGOTTEN}

    def _analysis(self) -> Analysis:
        """The video analysed again, with the tracks of ``timeline.json``."""
        if self._again is None:
            self._again = analyze(self._info.path, _settings(self._file.settings))
            now, then = (
                {t.id: (t.first_frame, t.last_frame) for t in tracks}
                for tracks in (self._again.tracks, self._file.tracks)
            )
            if now != then:
                raise InputError(
                    f"{self._info.path}: analysed again, it gives other tracks, as another version "
                    "or device may; analyse it anew with: facetrack run"
                )
        return self._again


def _mend_clips(folder: Path, bad: set[str], video: Path | None) -> None:
    renders = read_renders(folder)
    if renders is None:
        return
    has_analysis = (folder / TIMELINE_FILE).exists()
    if not has_analysis:
        raise InputError(f"{folder} has clips alone; make them again with: facetrack render")
    analysis = Analysis.load(folder, video)
    new = clip_switch.prepared(folder)
    try:
        planned = _Plans(folder, analysis, CROPS_FILE in bad)
        mended = []
        for render in renders.renders:
            lost = [clip for clip in render.clips if bad & clip.files.keys()]
            made = _made_again(analysis, render, planned.clips(render, lost), new)
            clips = [_only_lost(c, made.get(c.path, c), bad, new) for c in render.clips]
            mended.append(replace(render, clips=clips))
            if render.data_set and bad & set(DATA_SET_FILES):
                settings, whole = planned.of(render)
                written = {Path(clip.path): clip.sound_error for clip in render.clips}
                write_manifest(new, analysis, whole, written, settings)
        if CROPS_FILE in bad:
            listed = [c for r in reversed(renders.renders) for c in planned.clips(r, r.clips)]
            write_crops(new / CROPS_FILE, listed, renders.renders[-1].settings)
        for name in DATA_SET_FILES:
            if (new / name).exists() and name not in bad:
                (new / name).unlink()
        tables = dict(renders.tables)
        tables |= {n: facts_of(new / n) for n in renders.tables if (new / n).exists()}
        write_renders(new, renders.source, mended, tables)
        clip_switch.commit(folder, {})
    finally:
        clip_switch.discard(folder)


class _Plans:
    """What clips showed: from ``crops.parquet``, or planned again from a render's settings."""

    def __init__(self, folder: Path, analysis: Analysis, crops_lost: bool) -> None:
        self._analysis = analysis
        stored = [] if crops_lost else read_crops(folder / CROPS_FILE, analysis)
        self._stored = {clip.path.as_posix(): clip for clip in stored}

    def clips(self, render: Render, wanted: Sequence[RenderedClip]) -> list[Clip]:
        """The clips of a render that are wanted.

        Raises:
            InputError: when the settings give no such clip any more.
        """
        if not all(clip.path in self._stored for clip in wanted):
            for clip in self.of(render)[1].clips:
                self._stored.setdefault(clip.path.as_posix(), clip)
        lost = [clip.path for clip in wanted if clip.path not in self._stored]
        if lost:
            raise InputError(f"{lost[0]}: it is not known what it showed; render it again")
        return [self._stored[clip.path] for clip in wanted]

    def of(self, render: Render) -> tuple[ClipSettings, Plan]:
        """The settings of a render, and its plan made again.

        Raises:
            InputError: when the clips came from edited crops, or a target is gone.
        """
        if render.from_crops:
            raise InputError(f"{CROPS_FILE} is lost, from which clips were made; render them again")
        settings = settings_from({"clips": render.settings}).clips
        return settings, plan(self._analysis, settings)


def _made_again(
    analysis: Analysis, render: Render, clips: Sequence[Clip], new: Path
) -> dict[str, RenderedClip]:
    """Path of each clip that was made again -> what is kept of it."""
    if not clips:
        return {}
    settings = settings_from({"clips": render.settings}).clips
    overlay = Overlay.of(analysis) if settings.debug_overlay else None
    made = render_clips(
        analysis.info.path,
        clips,
        new,
        encoding_of(settings, analysis.info.hdr is not None),
        settings.jobs,
        overlay,
        streams=streams_of(analysis.info, settings),
        clock=analysis.info.clock,
    )
    if failed := next((clip for clip in made if clip.error), None):
        raise ClipError(f"{failed.path.relative_to(new)}: {failed.error}")
    return {
        clip.path.as_posix(): rendered_clip(new, clip, result)
        for clip, result in zip(clips, made, strict=True)
    }


def _only_lost(old: RenderedClip, made: RenderedClip, bad: set[str], new: Path) -> RenderedClip:
    """The clip with what was made again of it; a file of it that is whole is not replaced."""
    whole = {name: facts for name, facts in old.files.items() if name not in bad}
    for name in whole.keys() & made.files.keys():
        (new / name).unlink(missing_ok=True)
    return replace(made, files={**made.files, **whole})
