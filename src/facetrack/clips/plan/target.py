"""Finds the people that the clips show, from words, numbers, names and photos."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facetrack.clips.camera.layout import MOST_PANELS
from facetrack.clips.plan.photo import Enroller
from facetrack.core.errors import TargetError, UsageError
from facetrack.core.limits import limits
from facetrack.core.received_files import check_file, read_given
from facetrack.core.settings import ClipSettings
from facetrack.identity.editing import PHOTO_SUFFIXES, TARGET_WORDS
from facetrack.timeline import Analysis, Person
from facetrack.timeline.parts import find_person, in_short

AT_MOST = {"single": 1, **MOST_PANELS}
"""Maximum number of people in a clip, by mode; the other modes show all chosen people."""


@dataclass(frozen=True)
class Target:
    """One target of the settings."""

    text: str
    """As it was written."""
    meant: int | Path | str
    """A person's number, a photo, or a word or name."""
    name: str | None = None
    """From the people file."""


@dataclass(frozen=True)
class Chosen:
    """A person of a video, and their name."""

    person: int
    name: str


def targets_of(settings: ClipSettings) -> list[Target]:
    """The targets of the settings, before any video is known.

    Raises:
        UsageError: when the people file cannot be read, or a photo does not exist.
        InputError: when the people file names a photo that does not lie beside or below it.
    """
    named = _people_file(settings.people) if settings.people else {}
    found = []
    for text in _separate(settings.target):
        of_file = named.get(text.casefold())
        if text in TARGET_WORDS:
            found.append(Target(text, text))
        elif of_file is not None:
            found.append(of_file)
        else:
            found.append(Target(text, _meant(text)))
        meant = found[-1].meant
        if isinstance(meant, Path) and not meant.is_file():
            raise UsageError(f"target {text!r}: there is no photo {meant}")
    if not found:
        raise UsageError(f"target is {', '.join(settings.target)!r}; it must name somebody")
    return found


def choose(
    targets: Sequence[Target], mode: str, analysis: Analysis, enroller: Enroller
) -> list[Chosen]:
    """The chosen people in the order of the targets; an empty list when the video has nobody.

    A word stands for one person; in ``split`` and ``grid`` for as many as there is room for; in
    ``follow`` for all people, best first.

    Raises:
        TargetError: when a target is nobody in this video, or the mode needs more people.
        UsageError: when the mode cannot show so many people.
    """
    if not analysis.people and all(map(_is_word, targets)):
        return []
    named = {
        target: _person(target, analysis, enroller) for target in targets if not _is_word(target)
    }
    taken = {person.id for person in named.values()}
    words = len(targets) - len(named)
    called: dict[int, str] = {}
    for target in targets:
        if target in named:
            person = named[target]
            called[person.id] = target.name or person.name
        else:
            words -= 1
            left = [p for p in _ranked(target.text, analysis) if p.id not in taken]
            if target.text != "all":
                left = left[: max(_room(mode, len(taken) + words, len(analysis.people)), 1)]
            called.update((p.id, p.name) for p in left)
            taken.update(p.id for p in left)
    most = AT_MOST.get(mode, len(called))
    if len(called) > most:
        raise UsageError(
            f"mode {mode} shows {most} at most and the target gives {len(called)} people; name "
            f"{'one' if most == 1 else 'fewer'} with --target, or use --mode each"
        )
    if mode == "split" and len(called) < 2:
        raise TargetError(
            f"{analysis.info.path.name}: mode split shows two people, the target gives "
            f"{len(called)}; there {in_short(analysis.people)}"
        )
    return [Chosen(person, name) for person, name in called.items()]


def _is_word(target: Target) -> bool:
    return target.meant in TARGET_WORDS


def _separate(texts: Iterable[str]) -> list[str]:
    """The parts between commas, except in the name of an existing file."""
    found: list[str] = []
    for text in texts:
        parts = [text] if Path(text).is_file() else text.split(",")
        found += [part.strip() for part in parts if part.strip()]
    return list(dict.fromkeys(found))


def _meant(text: str) -> int | Path | str:
    if text.isdecimal():
        return int(text)
    path = Path(text)
    return path if path.suffix.lower() in PHOTO_SUFFIXES or path.is_file() else text


def _people_file(path: Path) -> dict[str, Target]:
    """Name in small letters -> target."""
    try:
        table = tomllib.loads(read_given(path, limits().text_bytes).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a readable people file") from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or too deep
        raise UsageError(f"{path}: not TOML ({error})") from error
    found: dict[str, Target] = {}
    for name, value in table.items():
        meant: int | Path
        if isinstance(value, str):
            check_file(path.parent, value)
            meant = path.parent / value
        elif isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            meant = value
        else:
            raise UsageError(f"{path}: {name} is {value!r}; it must be a number or a photo's path")
        found[name.casefold()] = Target(name, meant, name)
    return found


def _person(target: Target, analysis: Analysis, enroller: Enroller) -> Person:
    if isinstance(target.meant, Path):
        return find_person(analysis.people, enroller.find(target.meant, analysis))
    try:
        return find_person(analysis.people, target.meant, f"target {target.text}")
    except TargetError as error:
        if isinstance(target.meant, int):
            raise
        raise TargetError(f"{error}; words are {', '.join(TARGET_WORDS)}") from error


def _room(mode: str, taken: int, people: int) -> int:
    """Number of people that one word stands for."""
    if mode in ("split", "grid"):
        return AT_MOST[mode] - taken
    return people if mode == "follow" else 1


def _ranked(word: str, analysis: Analysis) -> list[Person]:
    """All people, best first by the word."""
    if word == "first":
        return sorted(analysis.people, key=lambda p: (p.first_s, p.id))
    if word == "largest":
        faces = analysis.faces
        height = faces["y2"].to_numpy() - faces["y1"].to_numpy()
        person = faces["person"].to_numpy()
        sizes = {
            p.id: float(np.median(height[person == p.id])) if p.id in person else 0.0
            for p in analysis.people
        }
        return sorted(analysis.people, key=lambda p: (-sizes[p.id], p.id))
    return list(analysis.people)
