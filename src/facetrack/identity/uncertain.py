"""Lists what the user should check: people who may be one, and tracks that may be somebody else.

The list is short, and each entry is worth a check. Two people are listed only where neither has a
clearly better match; so a blurred face, which is a little similar to everybody, is not listed with
everybody. If a person may be two, the tracks of the smaller part are one entry.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facetrack.identity.cannot_link import cannot_link_pairs
from facetrack.identity.clustering import MIN_WEIGHT, average_linkage
from facetrack.identity.editing import is_named
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.similarity import log_odds_of, probability
from facetrack.timeline import Analysis, Split, Uncertain

Float64 = NDArray[np.float64]

MAY_BE_ONE = 0.05
"""Probability from which two people are listed."""
NEARLY_BEST = 0.5
"""Two people are listed when their odds are at least this share of the odds of either's best match:
of several dark or blurred faces, which are all a little similar, only the best pair is listed."""
SURELY_ONE = 0.9
"""Probability below which tracks of one person are listed."""
MAX_ENTRIES = 12
"""Entries of a kind, the most doubtful first."""
MAX_TRACKS = 2000
"""Tracks of a person that are compared with each other; more pairs would not fit into memory."""


def uncertain(analysis: Analysis, similarity: PeopleSimilarity | None = None) -> list[Uncertain]:
    """People who may be one, then tracks that may be somebody else; each kind by its doubt.

    Args:
        analysis: of the video.
        similarity: of the analysis, by its recogniser's calibration; made when left out.
    """
    similarity = similarity or PeopleSimilarity(analysis)
    same = _may_be_one(analysis, similarity)
    listed = {tuple(entry.people) for entry in same}
    splits = [e for e in _splits(analysis, similarity) if tuple(e.people) not in listed]
    other = [e for person in similarity.people for e in _may_be_another(similarity, person)]
    same.sort(key=lambda e: (-e.probability, e.people))
    splits.sort(key=lambda e: (-e.probability, e.people))
    other.sort(key=lambda e: (e.probability, e.people))
    return [*same[:MAX_ENTRIES], *splits[:MAX_ENTRIES], *other[:MAX_ENTRIES]]


def likely_pairs(odds: Float64) -> list[tuple[int, int, float]]:
    """Pairs of people who may be one: two positions and a probability.

    A person is the same as one of the others at most. So the probabilities of a person with all
    others, and of none of them, have the sum 1. Of the two probabilities of a pair, one from each
    person's side, the smaller one counts.

    Args:
        odds: ``(n, n)`` symmetric odds of each two; 0 where they cannot be one.
    """
    share = odds / (1 + odds.sum(axis=1, keepdims=True))
    found = np.minimum(share, share.T)
    best = odds.max(axis=1, initial=0.0)
    near = odds >= NEARLY_BEST * np.maximum(best[:, None], best)
    pairs = np.argwhere(np.triu(near & (found >= MAY_BE_ONE), 1)).tolist()
    return [(i, j, _rounded(found[i, j])) for i, j in pairs]


def _may_be_one(analysis: Analysis, similarity: PeopleSimilarity) -> list[Uncertain]:
    people = similarity.people
    odds = np.exp(similarity.between_people)
    np.fill_diagonal(odds, 0)
    odds[cannot_link_pairs(analysis.faces, "person", people).toarray()] = 0
    named = np.isin(people, _named(analysis))
    odds[np.outer(named, named)] = 0  # two names are two people
    return [
        Uncertain("same", sorted((people[i], people[j])), [], probability)
        for i, j, probability in likely_pairs(odds)
    ]


def _splits(analysis: Analysis, similarity: PeopleSimilarity) -> Iterator[Uncertain]:
    """Tracks that were split, with their parts in two people now, who may be one after all."""
    place = {track: i for i, track in enumerate(similarity.tracks.tolist())}
    person = {t.id: t.person for t in analysis.tracks}
    named = set(_named(analysis))
    for split in analysis.splits:
        if {split.track, split.into} <= place.keys():  # both parts have an embedding
            one, other = person[split.track], person[split.into]
            if one and other and one != other and not {one, other} <= named:
                found = _of_split(similarity, split, sorted((one, other)), place)
                if found.probability >= MAY_BE_ONE:  # else they are clearly two
                    yield found


def _of_split(
    similarity: PeopleSimilarity, split: Split, people: list[int], place: dict[int, int]
) -> Uncertain:
    """The entry of a split track."""
    odds = similarity.between(np.array([place[split.track]]), np.array([place[split.into]]))
    return Uncertain("same", people, [split.track, split.into], _rounded(probability(odds)))


def _may_be_another(similarity: PeopleSimilarity, person: int) -> Iterator[Uncertain]:
    """The groups of a person's tracks that are not surely one person with the largest group."""
    mine = similarity.of_person[person]
    if len(mine) < 2:
        return
    weights = np.maximum(similarity.weights(mine), MIN_WEIGHT)
    if len(mine) > MAX_TRACKS:
        best = np.sort(np.argsort(-weights, kind="stable")[:MAX_TRACKS])
        mine, weights = mine[best], weights[best]
    none = np.zeros((len(mine), len(mine)), bool)
    odds = similarity.between_tracks(mine)
    parts = average_linkage(odds, none, weights, log_odds_of(SURELY_ONE))
    main = max(range(len(parts)), key=lambda i: (weights[parts[i]].sum(), -parts[i][0]))
    for i, part in enumerate(parts):
        if i != main:
            rest = np.setdiff1d(np.arange(len(mine)), part)
            tracks = sorted(similarity.tracks[mine[part]].tolist())
            odds_of_part = similarity.between(mine[part], mine[rest])
            yield Uncertain("different", [person], tracks, _rounded(probability(odds_of_part)))


def _named(analysis: Analysis) -> list[int]:
    """Numbers of the people who have names."""
    return [p.id for p in analysis.people if is_named(p)]


def _rounded(value: float) -> float:
    return round(float(value), 4)


def mending_command(entry: Uncertain, folder: str) -> str:
    """The command that corrects the people, if the doubt is justified.

    Args:
        entry: of the list.
        folder: of the analysis, quoted for a shell.
    """
    if entry.kind == "same":
        return f"facetrack people merge {folder} {' '.join(map(str, entry.people))}"
    tracks = " ".join(f"--track {track}" for track in entry.tracks)
    return f"facetrack people split {folder} {entry.people[0]} {tracks}"


def in_words(entry: Uncertain) -> str:
    """An entry as one line of text."""
    sure = f"(probability {entry.probability:.2f})"
    tracks = ", ".join(map(str, entry.tracks))
    if entry.kind == "different":
        several = "track" if len(entry.tracks) == 1 else "tracks"
        return f"{several} {tracks} may not be person {entry.people[0]} {sure}"
    one, other = entry.people
    if entry.tracks:
        return f"people {one} and {other} were one track that was split, {tracks} {sure}"
    return f"people {one} and {other} may be one {sure}"
