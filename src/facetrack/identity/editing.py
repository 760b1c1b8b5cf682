"""Edits the people of an analysis: name, merge, split, forget.

Each function takes an analysis and returns another; nothing is read or written. ``identity.folder``
applies them to stored analyses.

Numbers of people do not change, because users write them down and clips are stored under them: a
merged person keeps the first number, a new person gets a number that nobody had before, and numbers
of people who are gone are not given again. The list of people stays ordered by screen time, most
first.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from facetrack.core.errors import UsageError
from facetrack.core.frame_range import StartEnd, intersection, union
from facetrack.media.images import ImageError, open_image
from facetrack.recognition.quality import sharpness
from facetrack.timeline import Analysis, Dropped, Interval, Person, Track
from facetrack.timeline.parts import FORGOTTEN, default_name, most_first, person_with_intervals

TARGET_WORDS = ("most-frequent", "first", "largest", "all")
"""Words that ``--target`` takes for other than a name."""
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
"""Endings of files that ``--target`` takes for a photo."""
MAX_NAME = 80
"""Characters of a name."""


def checked_name(name: str) -> str:
    """A name without spaces around it, such that ``--target NAME`` finds the person.

    Raises:
        UsageError: when the name is empty or too long, or ``--target`` would read something else.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(f"name is {name!r}; it must be 1 to {MAX_NAME} characters on one line")
    number_like = name.isdecimal() or re.fullmatch(r"person \d+", name, re.IGNORECASE)
    if number_like or name.casefold() in TARGET_WORDS:
        raise UsageError(f"name is {name!r}; --target means something else by that")
    if "," in name or name.lower().endswith(tuple(PHOTO_SUFFIXES)):
        raise UsageError(
            f"name is {name!r}; --target would read it as several people or as a photo"
        )
    return name


def named(analysis: Analysis, person: int, name: str) -> Analysis:
    """Gives a person a name.

    Raises:
        UsageError: when another person has the name, or ``checked_name`` refuses it.
        TargetError: when there is no such person.
    """
    name = checked_name(name)
    renamed = analysis.person(person)
    for other in analysis.people:
        if other.id != person and other.name.casefold() == name.casefold():
            raise UsageError(
                f"{other.name} is person {other.id} already; if they are one person, join them: "
                f"facetrack people merge FOLDER {other.id} {person}"
            )
    return replace(
        analysis,
        people=[
            replace(p, name=name, confidence=None) if p == renamed else p for p in analysis.people
        ],
    )


def merged(analysis: Analysis, person: int, others: Sequence[int]) -> Analysis:
    """Makes ``person`` and ``others`` one person, who keeps the number and, if any, the name.

    Raises:
        UsageError: when the people are not two different ones or more.
        TargetError: when there is no such person.
    """
    for other in others:
        analysis.person(other)
    analysis.person(person)
    if not others or person in others or len(set(others)) < len(others):
        raise UsageError(f"merge {person} with {list(others)}; give two different people or more")
    first = sorted(analysis.people, key=lambda p: p.id != person)
    return replace(
        renumbered(replace(analysis, people=first), dict.fromkeys(others, person)),
        next_person=new_number(analysis),
    )


def renumbered(analysis: Analysis, to: Mapping[int, int]) -> Analysis:
    """Changes numbers of people.

    People who get the same number become one person, with the first name among them and the
    sharpest of their thumbnails.

    Args:
        analysis: of the video.
        to: old number to new one; people who are not in it keep their numbers.
    """

    def now(person: int) -> int:
        return to.get(person, person)

    groups: dict[int, list[Person]] = {}
    for person in analysis.people:
        groups.setdefault(now(person.id), []).append(person)
    ranges: dict[int, list[StartEnd]] = {}
    for i in analysis.intervals:
        ranges.setdefault(now(i.person), []).append((i.start_frame, i.end_frame))
    images = {
        number: [analysis.thumbnails[p.id] for p in group if p.id in analysis.thumbnails]
        for number, group in groups.items()
    }
    return _with_people(
        analysis,
        [replace(t, person=now(t.person)) for t in analysis.tracks],
        {n: _first_name(group) for n, group in groups.items()},
        ranges,
        {n: max(found, key=thumbnail_sharpness) for n, found in images.items() if found},
    )


def split(analysis: Analysis, person: int, tracks: Sequence[int]) -> Analysis:
    """Makes some tracks of a person a new person.

    Both are without a thumbnail then: it is not known which of them the old one shows.

    Raises:
        UsageError: when a track is not of the person, or none of the person's would be left.
        TargetError: when there is no such person.
    """
    analysis.person(person)
    of_person = {t.id: t for t in analysis.tracks if t.person == person}
    if unknown := sorted(set(tracks) - set(of_person)):
        raise UsageError(
            f"track {unknown[0]} is not of person {person}; theirs are {_list(of_person)}"
        )
    if not tracks or len(set(tracks)) == len(of_person):
        raise UsageError(
            f"person {person} has the tracks {_list(of_person)}; name some of them with --track, "
            "and leave at least one"
        )
    number = new_number(analysis)
    ranges = _ranges(analysis)
    of_track = {t.id: (t.first_frame, t.last_frame + 1) for t in of_person.values()}
    taken = union(frames for track, frames in of_track.items() if track in tracks)
    rest = union(frames for track, frames in of_track.items() if track not in tracks)
    before = ranges.get(person, [])
    ranges[person], ranges[number] = intersection(before, rest), intersection(before, taken)
    names = {p.id: (p.name, p.confidence) for p in analysis.people}
    return _with_people(
        analysis,
        [replace(t, person=number) if t.id in tracks else t for t in analysis.tracks],
        names | {number: (default_name(number), None)},
        ranges,
        {n: jpeg for n, jpeg in analysis.thumbnails.items() if n != person},
    )


def forgotten(analysis: Analysis, people: Sequence[int]) -> Analysis:
    """Removes the faces, embeddings, names and thumbnails of people.

    Their tracks stay in ``dropped`` with first and last frame: a data set of one person's clips
    must know in which frames somebody else may be visible.

    Raises:
        TargetError: when there is no such person.
    """
    for person in people:
        analysis.person(person)
    gone = {t.id: t for t in analysis.tracks if t.person in people}
    dropped = [
        Dropped(t.id, FORGOTTEN, "on request", t.first_frame, t.last_frame) for t in gone.values()
    ]
    return replace(
        analysis,
        people=[p for p in analysis.people if p.id not in people],
        tracks=[replace(t, person=0) if t.id in gone else t for t in analysis.tracks],
        intervals=[i for i in analysis.intervals if i.person not in people],
        dropped=sorted([*analysis.dropped, *dropped], key=lambda d: d.track),
        faces=analysis.faces.filter(~np.isin(analysis.faces["track"].to_numpy(), list(gone))),
        embeddings={t: e for t, e in analysis.embeddings.items() if t not in gone},
        thumbnails={p: j for p, j in analysis.thumbnails.items() if p not in people},
        next_person=new_number(analysis),
    )


def new_number(analysis: Analysis) -> int:
    """The number for the next new person: one that nobody has or had."""
    return max([analysis.next_person, *(p.id + 1 for p in analysis.people)])


def is_named(person: Person) -> bool:
    """Whether the person has another name than ``Person 3``."""
    return person.name != default_name(person.id)


def shared_intervals(analysis: Analysis, one: int, other: int) -> list[Interval]:
    """Intervals in which both people are on screen, with the number of the first."""
    of = _ranges(analysis)
    times = [*analysis.frame_times, analysis.info.duration_s]
    both = intersection(of.get(one, []), of.get(other, []))
    return person_with_intervals(one, both, analysis.first_frame, times)[1]


def thumbnail_sharpness(jpeg: bytes) -> float:
    """Sharpness of a thumbnail, 0 to 1; 0 where it is damaged."""
    try:
        return sharpness(np.asarray(open_image(io.BytesIO(jpeg))))
    except ImageError:
        return 0.0


def _with_people(
    analysis: Analysis,
    tracks: Sequence[Track],
    names: Mapping[int, tuple[str, float | None]],
    ranges: Mapping[int, Iterable[StartEnd]],
    thumbnails: Mapping[int, bytes],
) -> Analysis:
    """The analysis with other people; times, intervals and the faces' column follow from these.

    Args:
        analysis: of the video.
        tracks: with the person of each.
        names: number of each person to the name and its confidence.
        ranges: number to the frames in which the person is on screen.
        thumbnails: number to a JPEG.
    """
    edges_s = [*analysis.frame_times, analysis.info.duration_s]
    shown = {n: union(ranges.get(n, [])) for n in names}
    people, intervals = [], []
    for n in sorted(names, key=lambda n: most_first(shown[n])):
        person, of_person = person_with_intervals(
            n, shown[n], analysis.first_frame, edges_s, *names[n], has_thumbnail=n in thumbnails
        )
        people.append(person)
        intervals += of_person
    number = {t.id: t.person for t in tracks}
    of_track = analysis.faces["track"].to_pylist()
    at = analysis.faces.column_names.index("person")
    field = analysis.faces.schema.field(at)
    return replace(
        analysis,
        people=people,
        tracks=list(tracks),
        intervals=sorted(intervals, key=lambda i: (i.start_frame, i.person)),
        faces=analysis.faces.set_column(
            at, field, [np.array([number[t] for t in of_track], np.int32)]
        ),
        thumbnails={n: thumbnails[n] for n in sorted(thumbnails)},
        next_person=max(analysis.next_person, max(names, default=0) + 1),
    )


def _ranges(analysis: Analysis) -> dict[int, list[StartEnd]]:
    """Person to the frames in which they are on screen."""
    found: dict[int, list[StartEnd]] = {}
    for i in analysis.intervals:
        found.setdefault(i.person, []).append((i.start_frame, i.end_frame))
    return {person: union(ranges) for person, ranges in found.items()}


def _first_name(group: Sequence[Person]) -> tuple[str, float | None]:
    """The first name among people who become one; empty where none has a name."""
    return next(((p.name, p.confidence) for p in group if is_named(p)), ("", None))


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
