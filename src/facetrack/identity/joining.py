"""The same people over several videos: one number for each person everywhere, and ``people.json``.

People of several videos are clustered as the tracks of one video are: the most probable pair first,
by the mean log-odds over all pairs of their tracks; people with only small or blurred faces last,
so that these never join two others. Two people who share a frame, or who were given different
names, are never joined. People with the same name are one person.
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
from facetrack.identity.similarity import (
    CalibratedScorer,
    CosineScorer,
    PairScorer,
    log_odds_of,
)
from facetrack.identity.video_people import VideoPeople
from facetrack.recognition.calibration import Evidence
from facetrack.timeline import Analysis
from facetrack.timeline.parts import default_name

ACROSS = 0.8
"""Probability from which people of two videos are one. It is higher than inside a video, where
cannot-link pairs keep many similar people apart (measured: docs/people.md)."""
ACROSS_COSINE = 0.50
"""Cosine from which they are one where the analyses were made with a lower threshold of cosine."""

PersonInVideo = tuple[int, int]
"""Position of a video in the list, and the number of a person in it."""
Group = list[PersonInVideo]
"""One person in several videos."""


def join_folders(
    folders: Sequence[Path], out: Path, threshold: float | None = None
) -> list[dict[int, int]]:
    """Numbers the people of several analyses in common, and writes ``OUT/people.json``.

    In each folder, numbers and names are changed by an edit that can be undone.

    Args:
        folders: of the analyses.
        out: folder for ``people.json``.
        threshold: cosine from which two are one person. None: the highest probability that an
            analysis was made with, ``ACROSS`` or more; or, where some were made with a threshold of
            cosine, the highest of these, ``ACROSS_COSINE`` or more.

    Returns:
        For each folder, old number to new number.

    Raises:
        InputError: when a folder holds no analysis.
        UsageError: when the analyses were made with different recognisers.
    """
    videos = [VideoPeople.of(folder, Analysis.load(folder)) for folder in folders]
    networks = sorted({video.recognizer.name for video in videos})
    if len(networks) > 1:
        raise UsageError(f"{' and '.join(networks)} cannot be compared; join those of one network")
    scorer = scorer_of_videos(videos, threshold)
    groups = same_people(videos, scorer)
    # While numbers change there is no people.json: a file that exists is always true.
    (out / PEOPLE_FILE).unlink(missing_ok=True)
    numbers, numbered = [], []
    for v, folder in enumerate(folders):
        number = {p: n for n, group in enumerate(groups, 1) for i, p in group if i == v}
        numbers.append(number)
        names = {n: _name(videos, groups[n - 1]) for n in number.values()}

        def in_common(
            analysis: Analysis,
            number: Mapping[int, int] = number,
            names: Mapping[int, tuple[str, float | None]] = names,
        ) -> Analysis:
            joined = renumbered(analysis, number)
            people = [
                replace(p, name=names[p.id][0] or default_name(p.id), confidence=names[p.id][1])
                for p in joined.people
            ]
            return replace(joined, people=people, next_person=len(groups) + 1)

        numbered.append(VideoPeople.of(folder, edit(folder, "join", in_common)))
    write_people(out, numbered, scorer)
    return numbers


def scorer_of_videos(videos: Sequence[VideoPeople], threshold: float | None = None) -> PairScorer:
    """The scorer for people of several videos; ``threshold``: see ``join_folders``."""
    chosen = [video.threshold for video in videos if video.threshold is not None]
    if threshold is None and chosen:
        threshold = max(ACROSS_COSINE, *chosen)
    if threshold is not None:
        return CosineScorer(threshold)
    needed = max([ACROSS, *(video.probability for video in videos)])
    return CalibratedScorer(videos[0].recognizer.calibration, log_odds_of(needed))


def same_people(videos: Sequence[VideoPeople], scorer: PairScorer) -> list[Group]:
    """The people of all videos, each as a group, by screen time, most first."""
    units: dict[object, Group] = {}
    for v, video in enumerate(videos):
        for person in video.people:
            key = person.name.casefold() if is_named(person) else (v, person.id)
            units.setdefault(key, []).append((v, person.id))
    members = list(units.values())
    if not members:
        return []
    embeddings = [_embeddings(videos, group) for group in members]
    groups = EmbeddingGroups.of(embeddings, scorer)
    joined = group_tracks(
        TrackSet(
            np.stack([e.mean for e in embeddings]),
            groups.reliability,
            _cannot_link(videos, units),
            lambda some, others: groups.log_odds(some, groups, others),
            scorer.min_log_odds,
        )
    )
    found = [sorted(a for unit in group for a in members[unit]) for group in joined]
    return sorted(found, key=lambda group: (-_seconds(videos, group), group[0]))


def _cannot_link(videos: Sequence[VideoPeople], units: Mapping[object, Group]) -> csr_array:
    """``(n, n)`` bool: True where two units have different names, or share a frame of a video."""
    place = {one: i for i, group in enumerate(units.values()) for one in group}
    pairs = list(combinations((i for i, key in enumerate(units) if isinstance(key, str)), 2))
    for v, video in enumerate(videos):
        pairs += [(place[v, p], place[v, q]) for p, q in video.cannot_link]
    rows, columns = np.array([*pairs, *(pair[::-1] for pair in pairs)], np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(rows), bool), (rows, columns)), (len(units), len(units)))


def _embeddings(videos: Sequence[VideoPeople], group: Group) -> EmbeddingSet:
    """The embeddings of all tracks of a unit; empty where it has none."""
    none = EmbeddingSet(np.empty((0, videos[0].recognizer.dim), np.float32), Evidence.joined([]))
    return EmbeddingSet.joined([none, *(videos[v].embeddings.get(p, none) for v, p in group)])


def _seconds(videos: Sequence[VideoPeople], group: Group) -> float:
    """Screen time of a person in all videos."""
    return sum(p.seconds for v, number in group for p in videos[v].people if p.id == number)


def _name(videos: Sequence[VideoPeople], group: Group) -> tuple[str, float | None]:
    """A name of the group and its confidence; names that a user gave first; empty: there is
    none."""
    named = [p for v, number in group for p in videos[v].people if p.id == number and is_named(p)]
    named.sort(key=lambda p: 2.0 if p.confidence is None else p.confidence, reverse=True)
    return (named[0].name, named[0].confidence) if named else ("", None)
