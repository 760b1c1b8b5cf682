"""Corrections of who is who: each takes an analysis and gives another; nothing is read or written.

Numbers stay what they are, for they are in notes and in clips' folders: a merged person keeps the
first one's, a new one gets a number that nobody had before, and those of people who are no more are
not given again. The list of people stays ordered by screen time, most first.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image as Pillow

from facetrack.core.errors import UsageError
from facetrack.core.frame_range import StartEnd, intersection, union
from facetrack.identity.names import checked_name
from facetrack.recognition.quality import sharpness
from facetrack.timeline import Analysis, Dropped, Interval, Person, Track
from facetrack.timeline.parts import FORGOTTEN, default_name, most_first, person_with_intervals


def named(analysis: Analysis, person: int, name: str) -> Analysis:
    """Raises ``UsageError`` when the name is another's, or one that no target could mean."""
    name = checked_name(name)
    who = analysis.person(person)
    for other in analysis.people:
        if other.id != person and other.name.casefold() == name.casefold():
            raise UsageError(
                f"{other.name} is person {other.id} already; if they are one person, join them: "
                f"facetrack people merge FOLDER {other.id} {person}"
            )
    people = [replace(p, name=name, confidence=None) if p == who else p for p in analysis.people]
    return replace(analysis, people=people)


def merged(analysis: Analysis, person: int, others: Sequence[int]) -> Analysis:
    """The others become part of the person, who keeps the number, and the name if there is one."""
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
    """People under the numbers that ``to`` gives them, the others under their own.

    Several who get one number become one person, called as the first of them who has a name, with
    the sharpest of their pictures.
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
    return _told(
        analysis,
        [replace(t, person=now(t.person)) for t in analysis.tracks],
        {n: _called(group) for n, group in groups.items()},
        ranges,
        {n: max(found, key=thumbnail_sharpness) for n, found in images.items() if found},
    )


def split(analysis: Analysis, person: int, tracks: Sequence[int]) -> Analysis:
    """The tracks become a new person, without a picture: whose the old one was is not known.

    Raises:
        UsageError: when a track is not of the person, or nothing of them would be left.
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
    spans = {t.id: (t.first_frame, t.last_frame + 1) for t in of_person.values()}
    mine = union(frame_range for track, frame_range in spans.items() if track in tracks)
    rest = union(frame_range for track, frame_range in spans.items() if track not in tracks)
    had = ranges.get(person, [])
    ranges[person], ranges[number] = intersection(had, rest), intersection(had, mine)
    called = {p.id: (p.name, p.confidence) for p in analysis.people}
    return _told(
        analysis,
        [replace(t, person=number) if t.id in tracks else t for t in analysis.tracks],
        called | {number: (default_name(number), None)},
        ranges,
        {n: jpeg for n, jpeg in analysis.thumbnails.items() if n != person},
    )


def forgotten(analysis: Analysis, people: Sequence[int]) -> Analysis:
    """Their faces, embeddings and pictures are gone.

    Of their tracks is left that there was one, from when to when: whoever needs pictures without
    anybody else in them must know where there may be somebody.
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
    """One that nobody has or had."""
    return max([analysis.next_person, *(p.id + 1 for p in analysis.people)])


def is_named(person: Person) -> bool:
    """Whether the name says more than the number."""
    return person.name != default_name(person.id)


def together(analysis: Analysis, one: int, other: int) -> list[Interval]:
    """Stretches in which both are on screen, as intervals of the first."""
    of = _ranges(analysis)
    times = [*analysis.frame_times, analysis.info.duration_s]
    both = intersection(of.get(one, []), of.get(other, []))
    return person_with_intervals(one, both, analysis.first_frame, times)[1]


def thumbnail_sharpness(jpeg: bytes) -> float:
    """0 to 1."""
    with Pillow.open(io.BytesIO(jpeg)) as image:
        return sharpness(np.asarray(image.convert("RGB")))


def _told(
    analysis: Analysis,
    tracks: Sequence[Track],
    called: Mapping[int, tuple[str, float | None]],
    ranges: Mapping[int, Iterable[StartEnd]],
    thumbnails: Mapping[int, bytes],
) -> Analysis:
    """The analysis with these people: all that is said of them follows from it."""
    edges_s = [*analysis.frame_times, analysis.info.duration_s]
    shown = {n: union(ranges.get(n, [])) for n in called}
    people, intervals = [], []
    for n in sorted(called, key=lambda n: most_first(shown[n])):
        person, spans = person_with_intervals(
            n, shown[n], analysis.first_frame, edges_s, *called[n], has_thumbnail=n in thumbnails
        )
        people.append(person)
        intervals += spans
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
        next_person=max(analysis.next_person, max(called, default=0) + 1),
    )


def _ranges(analysis: Analysis) -> dict[int, list[StartEnd]]:
    found: dict[int, list[StartEnd]] = {}
    for i in analysis.intervals:
        found.setdefault(i.person, []).append((i.start_frame, i.end_frame))
    return {person: union(ranges) for person, ranges in found.items()}


def _called(group: Sequence[Person]) -> tuple[str, float | None]:
    """The name of people who become one; empty: they have none but their numbers."""
    return next(((p.name, p.confidence) for p in group if is_named(p)), ("", None))


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
