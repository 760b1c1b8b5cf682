"""Clips that a render had finished when it was interrupted or killed: the next one keeps them.

They lie under their names in the folder in which a render prepares its files. A file beside it has
a line for each: a key that names all that the clip is made from, and size and SHA-256 of its files.
A clip is kept only where all are as they should be.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from facetrack.clips.plan.clip import Clip
from facetrack.clips.render.messages import ClipJob, Outcome
from facetrack.core.environment import versions
from facetrack.core.errors import InputError
from facetrack.core.limits import limits
from facetrack.core.received_files import file_below, json_of, read_below
from facetrack.core.schema import converted
from facetrack.core.types import Clock, StreamChoice
from facetrack.media.codecs import Encoder
from facetrack.media.fingerprint import fingerprint
from facetrack.timeline.checksums import FileFacts, facts_of


@dataclass(frozen=True)
class FinishedClip:
    """A line of the file."""

    key: str
    files: dict[str, FileFacts]
    """Name, relative to the folder of prepared files, -> content."""
    frames: int
    samples: int
    sound_error: str | None


class FinishedClips:
    """The finished clips of one folder, for renders of one source with one encoding."""

    def __init__(
        self,
        new: Path,
        lines: Path,
        source: Path,
        encoder: Encoder,
        wav_rate: int | None,
        streams: StreamChoice,
        clock: Clock,
    ) -> None:
        """Reads what is there.

        Args:
            new: the folder of prepared files.
            lines: the file that lists the clips; it may be missing.
            source: the film.
            encoder: of the clips.
            wav_rate: samples a second of the WAV files; None: none are written.
            streams: the source's streams that are read.
            clock: of the source.
        """
        self._new, self._file = new, lines
        facts = [versions(), fingerprint(source), asdict(encoder), wav_rate, str(streams)]
        self._of_all = repr([*facts, clock]).encode("utf-8", "backslashreplace")
        self._found = {line.key: line for line in self._lines()}

    def outcome(self, job: ClipJob) -> Outcome | None:
        """The outcome of a clip that is finished; None: it must be written."""
        line = self._found.get(self._key(job.clip))
        if line is None or not self._is_whole(job, line):
            return None
        return Outcome(job.number, line.frames, line.samples, line.sound_error)

    def add(self, job: ClipJob, outcome: Outcome) -> None:
        """Notes that a clip is finished; one that failed is not.

        Raises:
            OSError: when that cannot be written.
        """
        if outcome.error is not None:
            return
        files = {name: facts_of(self._new / name) for name in self._names(job)}
        line = FinishedClip(
            self._key(job.clip), files, outcome.frames, outcome.samples, outcome.sound_error
        )
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")

    def _names(self, job: ClipJob) -> list[str]:
        """The files of a clip that are there, relative to the folder."""
        paths = [path for path in (job.path, job.wav) if path is not None and path.exists()]
        return [path.relative_to(self._new).as_posix() for path in paths]

    def _is_whole(self, job: ClipJob, line: FinishedClip) -> bool:
        """Whether the clip's files, and no others, are as they were written."""
        try:
            if sorted(self._names(job)) != sorted(line.files):
                return False
            for name, facts in line.files.items():
                found = file_below(self._new, name)  # refuses links
                if found is None or found.st_size != facts.size:
                    return False
                if facts_of(self._new / name) != facts:
                    return False
        except (InputError, OSError):
            return False
        return True

    def _lines(self) -> list[FinishedClip]:
        """The lines that can be read: the last one may be cut off."""
        try:
            stored = read_below(self._file.parent, self._file.name, limits().text_bytes)
        except (InputError, OSError):
            return []
        found = []
        for line in stored.splitlines():
            try:
                found.append(converted(json_of(line), FinishedClip, ""))
            except (InputError, ValueError):
                continue
        return found

    def _key(self, clip: Clip) -> str:
        """Names a clip and all that it is made from."""
        digest = hashlib.sha256(self._of_all)
        digest.update(repr((clip.path.as_posix(), clip.size)).encode("utf-8", "backslashreplace"))
        arrays: list[NDArray[Any]] = [clip.frames, clip.source_s, clip.edges_s]
        for panel in clip.panels:
            digest.update(repr(panel.place).encode())
            arrays += [panel.people, panel.crops, panel.still_s]
        for array in arrays:
            digest.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
        return digest.hexdigest()
