"""Names of the clips' files, made from the user's template.

A template can neither leave the clips' folder nor give two clips the same file. Slashes in values
(the video's name, people's names) do not make folders.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter

from facetrack.clips.plan.clip import Segment
from facetrack.core.errors import UsageError
from facetrack.timeline.rendered import CLIPS_FOLDER

ONE_PERSON = "person_{person:02}/person_{person:02}_{index:04}"
SEVERAL = "{mode}/{mode}_{index:04}"
FIELDS = ("source", "person", "name", "index", "start", "end", "mode")
SPEC = re.compile(r"0?\d{0,2}(\.\d)?[df]?")
"""Formats that a field may have; a width of many digits, for example, could fill the memory."""
FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')
"""Characters that some system forbids in file names."""
LONGEST = 120
"""Bytes of a part of a path: temporary names are longer, and file systems allow 255."""


def clip_paths(
    segments: Sequence[Segment],
    template: str | None,
    mode: str,
    source: Path,
    names: Mapping[int, str],
    suffix: str,
) -> list[Path]:
    """The path of each clip's file, relative to the output folder.

    Args:
        template: see ``ClipSettings.name``; None: the mode's usual one.
        suffix: of the files, with the dot.

    Raises:
        UsageError: when the template is invalid, or gives two clips the same file.
    """
    several = mode not in ("single", "each")
    template = template or (SEVERAL if several else ONE_PERSON)
    parts = parsed(template.removesuffix(suffix))
    paths: list[Path] = []
    taken: set[str] = set()
    for segment in segments:
        name = "".join(
            text + (_value(field, spec, segment, mode, source, names) if field else "")
            for text, field, spec in parts
        )
        path = Path(CLIPS_FOLDER, *_checked(name, template).parts)
        path = path.with_name(path.name + suffix)
        if str(path).casefold() in taken:  # the same file where case makes no difference
            raise UsageError(
                f"name {template!r} gives two clips the file {path}; add {{person}} or {{index}}"
            )
        taken.add(str(path).casefold())
        paths.append(path)
    return paths


@dataclass(frozen=True)
class _Each:
    """One value for each person; a format is applied to each of them."""

    values: tuple[object, ...]

    def __format__(self, spec: str) -> str:
        return "+".join(format(value, spec) for value in self.values)


def parsed(template: str) -> list[tuple[str, str | None, str]]:
    """The parts of a template: a text, the field after it, and the field's format.

    Raises:
        UsageError: when the template is invalid.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"name is {template!r}: {error}") from error
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS:
            raise UsageError(
                f"name {template!r} has a field {{{field}}}; there are {', '.join(FIELDS)}"
            )
        if conversion or not SPEC.fullmatch(spec or ""):
            raise UsageError(
                f"name {template!r} has a format that {{{field}}} cannot have; "
                "one is as in {index:04} or {start:.2f}"
            )
    return [(text, field, spec or "") for text, field, spec, _ in parts]


def _value(
    field: str, spec: str, segment: Segment, mode: str, source: Path, names: Mapping[int, str]
) -> str:
    values: dict[str, object] = {
        "source": _plain(source.stem),
        "person": _Each(segment.people),
        "name": _Each(tuple(_plain(names[p]) for p in segment.people)),
        "index": segment.index,
        "start": round(segment.ranges[0].start_s, 3),
        "end": round(segment.ranges[-1].end_s, 3),
        "mode": mode,
    }
    try:
        return format(values[field], spec)
    except ValueError as error:
        raise UsageError(f"name: {{{field}:{spec}}} cannot be made ({error})") from error


def _plain(text: str) -> str:
    return FORBIDDEN.sub("_", text).strip(". ") or "_"


def _checked(name: str, template: str) -> PurePosixPath:
    path = PurePosixPath(name)
    bad = name.endswith("/") or not path.parts or path.is_absolute()
    if bad or any(FORBIDDEN.search(p) or p.strip(". ") != p for p in path.parts):
        raise UsageError(
            f"name {template!r} gives {name!r}; it must be a file below clips/, with / for folders"
        )
    if any(len(part.encode()) > LONGEST for part in path.parts):
        raise UsageError(f"name {template!r} gives {name!r}: over {LONGEST} bytes; make it shorter")
    return path
