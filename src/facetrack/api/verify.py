"""``facetrack verify``: whether every file of a result is as it was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av.error

from facetrack.clips.camera.crops import read_crops
from facetrack.core.errors import InputError
from facetrack.core.limits import check_limit
from facetrack.core.received_files import file_below, read_below
from facetrack.media.opening import open_media
from facetrack.report.page import REPORT_FILE, is_whole
from facetrack.timeline import Analysis
from facetrack.timeline.checksums import CHECKSUMS, FileFacts, facts_of, read_checksums
from facetrack.timeline.folder import TIMELINE_FILE, read_timeline
from facetrack.timeline.history import History
from facetrack.timeline.history_files import is_result_file
from facetrack.timeline.rendered import CROPS_FILE, RENDERS, RenderedClip, read_renders

FRAMING_SAMPLES = 4096
"""Samples by which the sound of a clip may be longer or shorter than what was encoded: codecs add
priming, and fill the last frame."""
LARGEST_PAGE = 1 << 30

Kind = Literal["missing", "damaged", "edited"]


@dataclass(frozen=True)
class Finding:
    """A file that is not as it was written."""

    path: str
    """In the folder, with ``/``."""
    kind: Kind
    """``edited``: it can be read, and users may edit it."""
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path} ({self.detail})"


@dataclass(frozen=True)
class Verified:
    """The state of one result."""

    findings: list[Finding]
    files: int
    """Number of files that were compared or read."""
    clips: int
    """Number of clips that were decoded."""

    @property
    def bad(self) -> list[Finding]:
        """What is missing or damaged."""
        return [finding for finding in self.findings if finding.kind != "edited"]


def verify(folder: Path, *, decode: bool = True) -> Verified:
    """Compares every file of a result with its hash, and decodes every clip.

    Args:
        folder: of an analysis, or of clips alone (``render --out``).
        decode: False: clips are compared and not decoded.

    Raises:
        InputError: when there is no result.
    """
    # What a killed process had committed is finished first: else files are half in their places.
    return History(folder).steady(lambda: _verified(folder, decode))


def _verified(folder: Path, decode: bool) -> Verified:
    findings: list[Finding] = []
    files = clips = 0
    has_analysis = (folder / TIMELINE_FILE).exists() or (folder / CHECKSUMS).exists()
    if has_analysis:
        found = list(_analysis(folder))
        findings += [f for f in found if f is not None]
        files += len(found)
    try:
        renders = read_renders(folder)
    except InputError as error:
        findings.append(Finding(RENDERS, "damaged", str(error)))
        renders = None
    if renders is None and not has_analysis:
        raise InputError(f"{folder} holds no result; make one with: facetrack run")
    if renders is not None:
        for name, facts in renders.tables.items():
            files += 1
            findings += _compared(folder, name, facts)
        for clip in renders.clips:
            clips += 1
            files += len(clip.files)
            wrong: list[Finding] = []
            for name, facts in clip.files.items():
                wrong += _compared(folder, name, facts)
            findings += wrong or (_decoded(folder, clip) if decode else [])
    return Verified(findings, files, clips)


def _analysis(folder: Path) -> Iterator[Finding | None]:
    """A finding or None for each file."""
    try:
        written = read_checksums(folder).files
    except InputError as error:
        written = {}
        yield Finding(CHECKSUMS, "damaged", str(error))
    wrong = False
    for name, facts in written.items():
        found = _compared(folder, name, facts) if is_result_file(name) else []
        wrong |= any(f.kind != "edited" for f in found)
        yield found[0] if found else None
    if not wrong:  # else that is known to fail
        try:
            Analysis.load(folder)
        except InputError as error:
            yield Finding(TIMELINE_FILE, "damaged", str(error))
    if file_below(folder, REPORT_FILE) is None:
        yield Finding(REPORT_FILE, "missing", "it is made from the others")
    elif not is_whole(read_below(folder, REPORT_FILE, LARGEST_PAGE)):
        yield Finding(REPORT_FILE, "damaged", "its content is another")
    else:
        yield None


def _compared(folder: Path, name: str, facts: FileFacts) -> list[Finding]:
    found = file_below(folder, name)
    if found is None:
        return [Finding(name, "missing", f"{facts.size} bytes")]
    if found.st_size != facts.size:  # a file of holes could have any size: it is not read
        detail = f"{found.st_size} bytes instead of {facts.size}"
    else:
        check_limit(f"{folder / name}: its bytes", "output_bytes", facts.size)
        if facts_of(folder / name) == facts:
            return []
        detail = "its content is another"
    return [Finding(name, "edited" if _is_edited(folder, name) else "damaged", detail)]


def _is_edited(folder: Path, name: str) -> bool:
    """Whether a file that users may edit can be read."""
    try:
        if name == TIMELINE_FILE:
            read_timeline(folder)
        elif name == CROPS_FILE:
            read_crops(folder / name)
        else:
            return False
    except InputError:
        return False
    return True


def _decoded(folder: Path, clip: RenderedClip) -> list[Finding]:
    """Whether all frames and samples of a clip can be decoded."""
    try:
        with open_media(folder / clip.path) as container:
            frames = samples = 0
            for frame in container.decode():
                samples += getattr(frame, "samples", 0)
                frames += not hasattr(frame, "samples")
                if frames > clip.frames or samples > clip.samples + FRAMING_SAMPLES:
                    break  # a small file may stand for any number of them
    except (av.error.FFmpegError, OSError, ValueError, InputError) as error:
        return [Finding(clip.path, "damaged", f"it cannot be decoded: {error}")]
    if frames != clip.frames:
        return [Finding(clip.path, "damaged", f"{frames} frames instead of {clip.frames}")]
    if abs(samples - clip.samples) > FRAMING_SAMPLES:
        return [Finding(clip.path, "damaged", f"{samples} samples instead of {clip.samples}")]
    return []
