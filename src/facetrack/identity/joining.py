"""The same people over several videos: one number a person everywhere, and ``people.json``.

People of the videos are joined as tracks are joined into the people of one: the most probable pair
first, by the mean log-odds over all pairs of their tracks, and people of whom only small or blurred
faces are known last, so that these never link two others. Never joined are two who were seen in one
frame, or who were given different names; one name is one person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from facetrack.core.errors import UsageError
from facetrack.identity.clustering import TrackSet, group_tracks
from facetrack.identity.editing import is_named, renumbered
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet
from facetrack.identity.folder import edit
from facetrack.identity.people_file import PEOPLE_FILE, write_people
from facetrack.identity.similarity import CalibratedJudge, Judge, ThresholdJudge, log_odds_of
from facetrack.identity.video_people import VideoPeople, mean_of
from facetrack.recognition.calibration import Evidence
from facetrack.timeline import Analysis
from facetrack.timeline.parts import default_name

ACROSS = 0.8
"""Probability from which people of two videos are one: more than inside a video, where look-alikes
are kept apart by who is seen beside whom (measured: docs/people.md)."""
ACROSS_COSINE = 0.50
"""The same where the analyses were made with a threshold of cosine, and that is not higher."""

FrameRange = tuple[int, int]
"""A video by its place in the list, and the number of a person in it."""
Group = list[FrameRange]


def join_folders(
    folders: Sequence[Path], out: Path, threshold: float | None = None
) -> list[dict[int, int]]:
    """Numbers people over all these analyses, and writes ``OUT/people.json``.

    Each folder's numbers and names are changed by an edit that can be undone. Returns each folder's
    old numbers to the new ones.

    Args:
        threshold: cosine from which two are one person; unset: a probability of ``ACROSS`` decides,
            or the highest that an analysis was made with; where some were made with a threshold of
            cosine, ``ACROSS_COSINE`` or the highest of these.

    Raises:
        InputError: when a folder holds no analysis.
        UsageError: when they were made with different recognisers.
    """
    casts = [VideoPeople.of(folder, Analysis.load(folder)) for folder in folders]
    networks = sorted({cast.recognizer.name for cast in casts})
    if len(networks) > 1:
        raise UsageError(f"{' and '.join(networks)} cannot be compared; join those of one network")
    judge = judge_of_casts(casts, threshold)
    groups = same_people(casts, judge)
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

        numbered.append(VideoPeople.of(folder, edit(folder, "join", as_in_all)))
    write_people(out, numbered, judge)
    return numbers


def judge_of_casts(casts: Sequence[VideoPeople], threshold: float | None = None) -> Judge:
    """See ``join_folders``."""
    chosen = [cast.threshold for cast in casts if cast.threshold is not None]
    if threshold is None and chosen:
        threshold = max(ACROSS_COSINE, *chosen)
    if threshold is not None:
        return ThresholdJudge(threshold)
    needed = max([ACROSS, *(cast.probability for cast in casts)])
    return CalibratedJudge(casts[0].recognizer.calibration, log_odds_of(needed))


def same_people(casts: Sequence[VideoPeople], judge: Judge) -> list[Group]:
    """Who is who, the one with most screen time first."""
    units: dict[object, Group] = {}
    for video, cast in enumerate(casts):
        for person in cast.people:
            key = person.name.casefold() if is_named(person) else (video, person.id)
            units.setdefault(key, []).append((video, person.id))
    members = list(units.values())
    if not members:
        return []
    embeddings = [_embeddings(casts, group) for group in members]
    groups = EmbeddingGroups.of(embeddings, judge)
    joined = group_tracks(
        TrackSet(
            np.stack([mean_of(e.vectors) for e in embeddings]),
            groups.reliability,
            _apart(casts, units),
            lambda some, others: groups.log_odds(some, groups, others),
            judge.needed,
        )
    )
    found = [sorted(a for unit in group for a in members[unit]) for group in joined]
    return sorted(found, key=lambda group: (-_seconds(casts, group), group[0]))


def _apart(casts: Sequence[VideoPeople], units: Mapping[object, Group]) -> csr_array:
    """``(n, n)``: whether two have names of their own, or were seen together in a video."""
    place = {one: i for i, group in enumerate(units.values()) for one in group}
    pairs = list(combinations((i for i, key in enumerate(units) if isinstance(key, str)), 2))
    pairs += [(place[v, p], place[v, q]) for v, cast in enumerate(casts) for p, q in cast.apart]
    rows, columns = np.array([*pairs, *(pair[::-1] for pair in pairs)], np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(rows), bool), (rows, columns)), (len(units), len(units)))


def _embeddings(casts: Sequence[VideoPeople], group: Group) -> EmbeddingSet:
    """Of all tracks of a unit; none for somebody without an embedding: like nobody."""
    none = EmbeddingSet(np.empty((0, casts[0].recognizer.dim), np.float32), Evidence.joined([]))
    return EmbeddingSet.joined([none, *(casts[v].embeddings.get(p, none) for v, p in group)])


def _seconds(casts: Sequence[VideoPeople], group: Group) -> float:
    return sum(p.seconds for v, number in group for p in casts[v].people if p.id == number)


def _name(casts: Sequence[VideoPeople], group: Group) -> tuple[str, float | None]:
    """What somebody of the group is called, best by a person's word; empty: nobody has a name."""
    named = [p for v, number in group for p in casts[v].people if p.id == number and is_named(p)]
    named.sort(key=lambda p: 2.0 if p.confidence is None else p.confidence, reverse=True)
    return (named[0].name, named[0].confidence) if named else ("", None)
