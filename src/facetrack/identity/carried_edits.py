"""Does the edits of an earlier analysis of a video again on a new one.

An edit is known by what it changed: the state of the people before and after it. What it changed is
a fact about tracks (these are hers; these are somebody else's), and is done again on the tracks of
the new analysis that follow the same faces. Numbers of people stay where the new analysis leaves
them free. What cannot be done again is said in one line.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from facetrack.core.errors import InputError, UsageError
from facetrack.identity import editing
from facetrack.identity.person_images import cut_thumbnails
from facetrack.timeline import Analysis
from facetrack.timeline.parts import FORGOTTEN, default_name

FORGET = -1
"""In place of a person's number: the tracks are forgotten."""


@dataclass(frozen=True)
class PeopleState:
    """Who is who at one moment."""

    names: Mapping[int, str | None]
    """Person -> name that a user gave; None: none, or that of a gallery."""
    person_of: Mapping[int, int]
    """Track -> person; 0: nobody."""
    forgotten: Mapping[int, tuple[int, int]]
    """Forgotten track -> its first and last frame."""
    has_image: frozenset[int]
    """People with a thumbnail."""
    next_person: int = 0
    """More than 0 after an edit of who is who."""

    @classmethod
    def of(cls, timeline: Mapping[str, Any]) -> "PeopleState":
        """The state that a ``timeline.json`` describes.

        Raises:
            LookupError, TypeError: when it has not the parts of one.
        """
        people = timeline["people"]
        return cls(
            {p["id"]: _given_name(p) for p in people},
            {t["id"]: t["person"] for t in timeline["tracks"]},
            {
                d["track"]: (d["first_frame"], d["last_frame"])
                for d in timeline["dropped"]
                if d["reason"] == FORGOTTEN
            },
            frozenset(p["id"] for p in people if p["thumbnail"]),
            timeline.get("next_person", 0),
        )


def _given_name(person: Mapping[str, Any]) -> str | None:
    of_gallery = person.get("confidence") is not None
    return None if of_gallery or person["name"] == default_name(person["id"]) else person["name"]


def edited_again(
    analysis: Analysis,
    before: PeopleState,
    after: PeopleState,
    old_of: Mapping[int, int],
) -> tuple[Analysis, list[str]]:
    """Does one edit again.

    Args:
        analysis: the new one, as the edits before this one left it.
        before: the people of the old analysis before the edit.
        after: the people of the old analysis after it.
        old_of: track of the new analysis -> track of the old one.

    Returns:
        The edited analysis, and what could not be done.
    """
    wanted = _moved(before, after)
    number = people_now(analysis, before, old_of)
    there = {old_of[t.id] for t in analysis.tracks if t.person and t.id in old_of}
    lost = {
        before.person_of[track]
        for track in wanted
        if track not in there and number.get(before.person_of[track]) is None
    }
    problems = [f"person {person} is not in the new result" for person in sorted(lost)]
    edited = _regrouped(analysis, before, wanted, old_of)
    number = people_now(edited, after, old_of)
    for person, name in after.names.items():
        if name is None or (person in before.names and before.names[person] == name):
            continue
        if person not in number:
            problems.append(f"person {person}, {name}, is not in the new result")
            continue
        try:
            edited = _named(edited, number[person], name)
        except UsageError as error:
            problems.append(str(error))
    lacking = [
        number[p]
        for p in sorted(after.has_image & number.keys())
        if number[p] not in edited.thumbnails
    ]
    try:
        edited = cut_thumbnails(edited, lacking)
    except InputError as error:
        problems.append(str(error))
    return edited, problems


def people_now(analysis: Analysis, state: PeopleState, old_of: Mapping[int, int]) -> dict[int, int]:
    """Person of the old analysis -> person of the new one who has most frames of their tracks."""
    frames: dict[int, Counter[int]] = {}
    for track in analysis.tracks:
        person = state.person_of.get(old_of.get(track.id, 0), 0)
        if person and track.person:
            length = track.last_frame + 1 - track.first_frame
            frames.setdefault(person, Counter())[track.person] += length
    return {person: found.most_common(1)[0][0] for person, found in frames.items()}


def _moved(before: PeopleState, after: PeopleState) -> dict[int, int]:
    """Old track -> the person that the edit gave it to, or ``FORGET``."""
    moved = {
        track: after.person_of[track]
        for track, person in before.person_of.items()
        if person and after.person_of.get(track, 0) not in (0, person)
    }
    return moved | dict.fromkeys(after.forgotten.keys() - before.forgotten.keys(), FORGET)


def _regrouped(
    analysis: Analysis, before: PeopleState, wanted: Mapping[int, int], old_of: Mapping[int, int]
) -> Analysis:
    """The analysis after the moves; a person whose known tracks all move takes the rest along."""
    keys: dict[int, dict[int, int]] = {}
    """Person of the analysis -> its tracks that are known from before -> where they belong now."""
    for track in analysis.tracks:
        old = old_of.get(track.id, 0)
        if track.person and (before.person_of.get(old) or old in wanted):
            keys.setdefault(track.person, {})[track.id] = wanted.get(old, 0)
    next_person = editing.new_number(analysis)
    goes: dict[int, int] = {}
    """Person of the analysis, after splits -> where all of it belongs now."""
    for person, of_tracks in keys.items():
        first, *others = sorted(set(of_tracks.values()), key=lambda key: (key != 0, key))
        goes[person] = first
        for target in others:
            part = [track for track, key in of_tracks.items() if key == target]
            goes[editing.new_number(analysis)] = target
            analysis = editing.split(analysis, person, part)
    number = people_now(analysis, before, old_of)
    staying = {p.id for p in analysis.people} - {p for p, key in goes.items() if key}
    to: dict[int, int] = {}
    for target in dict.fromkeys(key for key in goes.values() if key > 0):
        group = [p for p, key in goes.items() if key == target]
        to |= dict.fromkeys(group, _number(target, group, number, staying, analysis, to))
    if any(old != new for old, new in to.items()):
        people = sorted(analysis.people, key=lambda p: p.id not in to.values())
        analysis = editing.renumbered(replace(analysis, people=people), to)
    gone = [p for p, key in goes.items() if key == FORGET]
    if gone:
        analysis = editing.forgotten(analysis, gone)
    if to or gone:
        analysis = replace(analysis, next_person=max(analysis.next_person, next_person))
    return analysis


def _number(
    target: int,
    group: Iterable[int],
    number: Mapping[int, int],
    staying: set[int],
    analysis: Analysis,
    given: Mapping[int, int],
) -> int:
    """The number of the person that a group of people becomes."""
    if number.get(target) in staying:
        return number[target]
    if target not in staying and target not in given.values():
        return target
    free = [person for person in group if person not in given.values()]
    return min(free, default=editing.new_number(analysis))


def _named(analysis: Analysis, person: int, name: str) -> Analysis:
    """With a name that a user gave; where a gallery gave it to somebody else, it is taken back."""
    people = [
        replace(p, name=default_name(p.id), confidence=None)
        if p.id != person and p.confidence is not None and p.name.casefold() == name.casefold()
        else p
        for p in analysis.people
    ]
    return editing.named(replace(analysis, people=people), person, name)
