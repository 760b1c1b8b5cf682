"""Clips of several renders side by side in one folder.

A render replaces its own clips, once the new ones are whole, and leaves those of other renders.
Its own are: files of the same names; clips of the same people under the same template of names (or
in the same folder, where they come from edited crops); and all of the same render (template,
targets and mode) when it is made again. Only files that ``renders.json`` lists, with the size that
it says, are replaced: others are their user's.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facetrack.clips.camera.crops import COLUMNS, write_crops
from facetrack.clips.plan.clip import Clip
from facetrack.clips.render.render import ClipResult
from facetrack.core.errors import InputError, OutputError, UsageError
from facetrack.core.limits import check_limit
from facetrack.core.parquet import read_table_below
from facetrack.core.received_files import check_folder, file_below
from facetrack.core.settings import ClipSettings, Settings
from facetrack.core.types import VideoInfo
from facetrack.timeline import clip_switch
from facetrack.timeline.checksums import FileFacts, facts_of
from facetrack.timeline.rendered import (
    CROPS_FILE,
    DATA_SET_FILES,
    Render,
    RenderedClip,
    RendersFile,
    RenderSource,
    is_as_written,
    read_renders,
    write_renders,
)

EDITED_CROPS = "crops.edited{}.parquet"


@dataclass(frozen=True)
class Replaced:
    """What a render replaced."""

    clips: list[str] = field(default_factory=list)
    """Paths in the folder of the clips that are no more."""
    others: int = 0
    """Number of clips of other renders, which stay."""
    crops: Path | None = None
    """Where the user's ``crops.parquet`` is kept, if it was edited."""


class SideBySide:
    """One render into a folder whose lock the caller holds."""

    def __init__(
        self,
        out: Path,
        info: VideoInfo,
        clips: Sequence[Clip],
        settings: ClipSettings,
        crops: Path | None,
    ) -> None:
        """Reads what is there; writes nothing.

        Args:
            out: the folder.
            info: of the video.
            clips: to be written.
            settings: of the clips.
            crops: the edited ``crops.parquet`` that they come from, if any.

        Raises:
            OutputError: when a file that no render wrote has a clip's name.
            UsageError: when the folder holds a data set that would be torn.
            InputError: when a folder of clips is a link, or ``renders.json`` cannot be read.
        """
        self._out, self._clips, self._crops = out, clips, crops
        self._about = Settings(clips=settings).as_dict()["clips"]
        self._source = RenderSource(str(info.path), info.fingerprint)
        self._render = Render(
            settings.name,
            [] if crops is not None else list(settings.target),
            settings.mode,
            settings.data_set,
            self._about,
            from_crops=crops is not None,
        )
        stored = read_renders(out)
        self._earlier = stored or RendersFile("", self._source, [])
        self._table = _readable_crops(out)
        old_names = None if stored else set(pc.unique(self._table["clip"]).to_pylist())
        for clip in clips:
            names = [clip.path, *([clip.path.with_suffix(".wav")] if settings.wav_rate else [])]
            for name in names:
                self._check_free(name.as_posix(), old_names)
        self._check_data_set()

    def switch(self, new: Path, made: Sequence[ClipResult]) -> Replaced:
        """Puts the new clips in their places, with ``crops.parquet`` and ``renders.json``.

        Args:
            new: the folder in which the clips are prepared, and the files of a data set.
            made: the results of the clips, in their order.

        Raises:
            OSError: when a file cannot be written; the earlier clips are as they were then.
        """
        written = {
            clip.path.as_posix(): rendered_clip(new, clip, result)
            for clip, result in zip(self._clips, made, strict=True)
            if not result.error
        }
        whole = bool(written) and len(written) == len(made)
        files = {name for clip in written.values() for name in clip.files}
        renders: list[Render] = []
        gone: dict[str, int] = {}
        replaced: list[RenderedClip] = []
        torn = False
        for render in self._earlier.renders:
            kept = []
            for clip in render.clips:
                if files & clip.files.keys() or (whole and self._replaces(render, clip)):
                    replaced.append(clip)
                    torn |= render.data_set
                    gone |= {n: f.size for n, f in clip.files.items() if n not in files}
                else:
                    kept.append(clip)
            renders.append(replace(render, clips=kept))
        again = next((r for r in renders if r.is_same_as(self._render)), None)
        renders = [r for r in renders if r is not again]
        left = again.clips if again else []
        renders.append(replace(self._render, clips=[*left, *written.values()]))
        tables = {n: f for n, f in self._earlier.tables.items() if n in DATA_SET_FILES}
        if torn:  # they would list clips that are no more
            gone |= {n: f.size for n, f in tables.items() if not (new / n).exists()}
            tables = {}
        edited = self._keep_edited_crops()
        names = {clip.path for render in renders for clip in render.clips}
        rest = self._table.filter(
            pc.is_in(self._table["clip"], pa.array(sorted(names - written.keys()), pa.string()))
        )
        unwritten = {r.path.relative_to(new).as_posix() for r in made if r.error} - names
        listed = [c for c in self._clips if c.path.as_posix() in written.keys() | unwritten]
        write_crops(new / CROPS_FILE, listed, self._about, rest)
        here = (CROPS_FILE, *DATA_SET_FILES)
        tables |= {n: facts_of(new / n) for n in here if (new / n).exists()}
        write_renders(new, self._source, renders, tables)
        clip_switch.commit(self._out, gone)
        others = sum(len(render.clips) for render in renders) - len(written)
        return Replaced([clip.path for clip in replaced], others, edited)

    def _replaces(self, render: Render, clip: RenderedClip) -> bool:
        """Whether a clip of an earlier render is this render's own, and no longer made."""
        if render.is_same_as(self._render):
            return True
        people = [list(new.segment.people) for new in self._clips]
        if self._render.from_crops or render.from_crops:  # which know no template
            folders = {new.path.parent for new in self._clips}
            return clip.people in people and Path(clip.path).parent in folders
        same_names = (render.name, render.mode) == (self._render.name, self._render.mode)
        return same_names and clip.people in people

    def _check_free(self, name: str, old_names: set[str] | None) -> None:
        if "/" in name:
            check_folder(self._out, name.rpartition("/")[0])
        place = self._out / name
        if not os.path.lexists(place) or is_as_written(
            self._out, name, self._earlier.files().get(name)
        ):
            return
        # A render of version 0.1 left no list but that of the crops.
        old = old_names is not None and str(Path(name).with_suffix("")) in {
            str(Path(n).with_suffix("")) for n in old_names
        }
        if not (old and file_below(self._out, name)):
            raise OutputError(
                f"{place} is there, and is not as a render of this folder wrote it; move it away, "
                "or render to other files with --name or --out"
            )

    def _check_data_set(self) -> None:
        if not self._render.data_set:
            return
        for render in self._earlier.renders:
            stays = [clip for clip in render.clips if not self._replaces(render, clip)]
            if render.data_set and stays:
                raise UsageError(
                    f"{self._out / DATA_SET_FILES[0]} lists {len(stays)} clips of another data set "
                    f"(target {', '.join(render.target)}); make this one elsewhere with --out DIR"
                )

    def _keep_edited_crops(self) -> Path | None:
        """Copies ``crops.parquet`` if its user changed it since it was written."""
        written = self._earlier.tables.get(CROPS_FILE)
        place = self._out / CROPS_FILE
        found = file_below(self._out, CROPS_FILE)
        if written is None or found is None:
            return None
        check_limit(f"{place}: its bytes", "table_bytes", found.st_size)
        is_source = self._crops is not None and place.exists() and self._crops.samefile(place)
        if is_source or facts_of(place) == written:
            return None
        number, copy = 1, self._out / EDITED_CROPS.format("")
        while os.path.lexists(copy):
            number += 1
            copy = self._out / EDITED_CROPS.format(f"-{number}")
        shutil.copyfile(place, copy)
        return copy


def rendered_clip(new: Path, clip: Clip, result: ClipResult) -> RenderedClip:
    """What ``renders.json`` keeps of a clip that was written into ``new``."""
    names = [clip.path.as_posix(), clip.path.with_suffix(".wav").as_posix()]
    files: dict[str, FileFacts] = {n: facts_of(new / n) for n in names if (new / n).exists()}
    people = list(clip.segment.people)
    return RenderedClip(people, result.frames, result.samples, files, result.sound_error)


def _readable_crops(out: Path) -> pa.Table:
    """The rows of ``crops.parquet``; none where there is no such file, or it is no crop file."""
    try:
        return read_table_below(out, CROPS_FILE).select(COLUMNS.names).cast(COLUMNS)
    except (OSError, ValueError, LookupError, TypeError, InputError, pa.ArrowException):
        return COLUMNS.empty_table()
