"""The same people over several videos: one number a person everywhere, and ``people.json``.

People of the videos are joined as tracks are joined into the people of one: the most similar first,
by the mean cosine over all their tracks, as long as it reaches the threshold. Never joined are two
who were seen in one frame, or who were given different names; one name is one person.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from facetrack.analysis import Analysis, Interval, Person
from facetrack.errors import UsageError
from facetrack.identity.clustering import TrackSet, group_tracks
from facetrack.identity.similarity import ThresholdJudge
from facetrack.people.editing import is_named, picture_sharpness, renumbered
from facetrack.people.folder import edit
from facetrack.people.presence import default_name
from facetrack.recognition.calibration import Evidence
from facetrack.types import Float32
from facetrack.whole_file import whole_file

SCHEMA = "facetrack/people/1"
PEOPLE_FILE = "people.json"
ACROSS = 0.50
"""Cosine from which people of two videos are one: more than inside a video, where look-alikes are
kept apart by who is seen beside whom (measured: docs/people.md)."""


@dataclass(frozen=True)
class Cast:
    """What is needed of one video: its people, not its faces."""

    folder: Path
    source: str
    recognizer: str
    threshold: float
    people: list[Person]
    intervals: list[Interval]
    vectors: dict[int, Float32]
    """Person to the ``(512,)`` mean of their tracks' embeddings, not of length one: the product of
    two of them is the mean cosine over all pairs of their tracks."""
    sharpness: dict[int, float]
    """Of their pictures."""
    apart: set[tuple[int, int]]
    """Pairs seen in one frame."""

    @classmethod
    def of(cls, folder: Path, analysis: Analysis) -> "Cast":
        tracks: dict[int, list[Float32]] = {}
        for t in analysis.tracks:
            if t.person and t.id in analysis.embeddings:
                tracks.setdefault(t.person, []).append(analysis.embeddings[t.id])
        identity = analysis.settings["identity"]
        return cls(
            folder,
            str(analysis.info.path),
            analysis.recognizer.name,
            identity.get("threshold") or 0.0,
            analysis.people,
            analysis.intervals,
            {p: np.mean(vectors, axis=0) for p, vectors in tracks.items()},
            {p: picture_sharpness(jpeg) for p, jpeg in analysis.thumbnails.items()},
            seen_together(analysis),
        )


Appearance = tuple[int, int]
"""A video by its place in the list, and the number of a person in it."""
Group = list[Appearance]


def join_folders(
    folders: Sequence[Path], out: Path, threshold: float | None = None
) -> list[dict[int, int]]:
    """Numbers people over all these analyses, and writes ``OUT/people.json``.

    Each folder's numbers and names are changed by an edit that can be undone. Returns each folder's
    old numbers to the new ones.

    Args:
        threshold: cosine from which two are one person; unset: ``ACROSS``, or the highest that an
            analysis was made with.

    Raises:
        InputError: when a folder holds no analysis.
        UsageError: when they were made with different recognisers.
    """
    casts = [Cast.of(folder, Analysis.load(folder)) for folder in folders]
    networks = sorted({cast.recognizer for cast in casts})
    if len(networks) > 1:
        raise UsageError(f"{' and '.join(networks)} cannot be compared; join those of one network")
    if threshold is None:
        threshold = max([ACROSS, *(cast.threshold for cast in casts)])
    groups = same_people(casts, threshold)
    # While numbers change there is no list of them: one that is there is true.
    (out / PEOPLE_FILE).unlink(missing_ok=True)
    numbers, numbered = [], []
    for video, folder in enumerate(folders):
        number = {p: n for n, group in enumerate(groups, 1) for v, p in group if v == video}
        numbers.append(number)
        called = {n: _name(casts, groups[n - 1]) for n in number.values()}

        def as_in_all(
            analysis: Analysis,
            number: Mapping[int, int] = number,
            called: Mapping[int, tuple[str, float | None]] = called,
        ) -> Analysis:
            joined = renumbered(analysis, number)
            people = [
                replace(p, name=called[p.id][0] or default_name(p.id), confidence=called[p.id][1])
                for p in joined.people
            ]
            return replace(joined, people=people, next_person=len(groups) + 1)

        numbered.append(Cast.of(folder, edit(folder, "join", as_in_all)))
    _write(out, numbered, threshold)
    return numbers


def joined_in(folder: Path) -> Path | None:
    """The ``people.json`` that speaks of the analysis, if there is one beside it."""
    file = folder.absolute().parent / PEOPLE_FILE
    try:
        videos = json.loads(file.read_text("utf-8"))["videos"]
        return file if folder.name in {video["folder"] for video in videos} else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def same_people(casts: Sequence[Cast], threshold: float) -> list[Group]:
    """Who is who, the one with most screen time first."""
    units: dict[object, Group] = {}
    for video, cast in enumerate(casts):
        for person in cast.people:
            key = person.name.casefold() if is_named(person) else (video, person.id)
            units.setdefault(key, []).append((video, person.id))
    members = list(units.values())
    dim = next((len(v) for cast in casts for v in cast.vectors.values()), 1)
    vectors = np.array([_mean(casts, group, dim) for group in members], np.float32)
    vectors = vectors.reshape(-1, dim)
    judge, evidence = ThresholdJudge(threshold), Evidence.joined([Evidence.none()] * len(members))
    joined = group_tracks(
        TrackSet(
            vectors,
            np.ones(len(members)),
            _apart(casts, units),
            lambda some, others: judge.log_odds(vectors[some], evidence, vectors[others], evidence),
        )
    )
    groups = [sorted(a for unit in group for a in members[unit]) for group in joined]
    return sorted(groups, key=lambda group: (-_seconds(casts, group), group[0]))


def _apart(casts: Sequence[Cast], units: Mapping[object, Group]) -> csr_array:
    """``(n, n)``: whether two have names of their own, or were seen together in a video."""
    place = {one: i for i, group in enumerate(units.values()) for one in group}
    pairs = list(combinations((i for i, key in enumerate(units) if isinstance(key, str)), 2))
    pairs += [(place[v, p], place[v, q]) for v, cast in enumerate(casts) for p, q in cast.apart]
    rows, columns = np.array([*pairs, *(pair[::-1] for pair in pairs)], np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(rows), bool), (rows, columns)), (len(units), len(units)))


def seen_together(analysis: Analysis) -> set[tuple[int, int]]:
    """Pairs of people, the smaller number first, who were both seen in some frame."""
    faces = analysis.faces
    seen = faces["source"].to_numpy(zero_copy_only=False) != "interpolated"
    frame, person = faces["frame"].to_numpy()[seen], faces["person"].to_numpy()[seen]
    frames = {p.id: np.unique(frame[person == p.id]) for p in analysis.people}
    return {
        (one, other)
        for one, other in combinations(sorted(frames), 2)
        if len(np.intersect1d(frames[one], frames[other], assume_unique=True))
    }


def _mean(casts: Sequence[Cast], group: Group, dim: int) -> Float32:
    """Zeros for somebody without an embedding: like nobody."""
    none = np.zeros(dim, np.float32)
    return np.asarray(np.mean([casts[v].vectors.get(p, none) for v, p in group], axis=0))


def _seconds(casts: Sequence[Cast], group: Group) -> float:
    return sum(p.seconds for v, number in group for p in casts[v].people if p.id == number)


def _name(casts: Sequence[Cast], group: Group) -> tuple[str, float | None]:
    """What somebody of the group is called, best by a person's word; empty: nobody has a name."""
    named = [p for v, number in group for p in casts[v].people if p.id == number and is_named(p)]
    named.sort(key=lambda p: 2.0 if p.confidence is None else p.confidence, reverse=True)
    return (named[0].name, named[0].confidence) if named else ("", None)


def _write(out: Path, casts: Sequence[Cast], threshold: float) -> None:
    """``casts`` are numbered alike."""
    numbers = sorted({p.id for cast in casts for p in cast.people})
    data = {
        "schema": SCHEMA,
        "recognizer": casts[0].recognizer if casts else None,
        "threshold": threshold,
        "videos": [{"folder": inside(out, c.folder), "source": c.source} for c in casts],
        "people": [_person(out, casts, number) for number in numbers],
    }
    with whole_file(out / PEOPLE_FILE) as path:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _person(out: Path, casts: Sequence[Cast], number: int) -> dict[str, Any]:
    group = [(v, p) for v, cast in enumerate(casts) for p in cast.people if p.id == number]
    pictures = [(casts[v].sharpness.get(number, -1.0), v, p) for v, p in group if p.thumbnail]
    _, video, best = max(pictures, key=lambda found: found[0], default=(0.0, 0, None))
    picture = casts[video].folder / str(best.thumbnail) if best else None
    return {
        "id": number,
        "name": group[0][1].name,
        "confidence": group[0][1].confidence,
        "seconds": round(sum(p.seconds for _, p in group), 6),
        "thumbnail": inside(out, picture) if picture else None,
        "videos": [
            {
                "folder": inside(out, casts[v].folder),
                "seconds": p.seconds,
                "first_s": p.first_s,
                "last_s": p.last_s,
                "intervals": [
                    {k: x for k, x in asdict(i).items() if k != "person"}
                    for i in casts[v].intervals
                    if i.person == number
                ],
                "similarity": _likeness(casts, number, v),
            }
            for v, p in group
        ],
    }


def _likeness(casts: Sequence[Cast], number: int, video: int) -> float | None:
    """Mean cosine with the person as the other videos show them; None: no other does."""
    mine = casts[video].vectors.get(number)
    others = [c.vectors[number] for v, c in enumerate(casts) if v != video and number in c.vectors]
    if mine is None or not others:
        return None
    return round(float(np.mean([mine @ other for other in others])), 4)


def inside(out: Path, path: Path) -> str:
    """As ``people.json`` in ``out`` writes it."""
    return Path(os.path.relpath(path, out)).as_posix()
