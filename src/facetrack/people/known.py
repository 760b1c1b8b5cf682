"""Names people of a video whom a gallery knows, where that is sure enough.

How sure is a matter of how alike they are, of who else is known, and of how many: among a hundred
names some stranger is more alike than among two. The odds that two faces are one person's grow with
their cosine as a logistic curve does, fitted to labelled pairs (docs/people.md); before anybody is
looked at, the person is as likely somebody of the gallery as nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facetrack.analysis import Analysis
from facetrack.people.editing import is_named, together
from facetrack.types import Float32

EVEN, STEEP = 0.355, 32.0
"""Cosine at which same and different are equally likely, and how fast the odds grow from there."""
SURE = 0.9
"""Confidence from which a name is given."""
SUREST = 0.99
"""Said of nobody is more: the pairs that the curve was fitted to are few."""
MAYBE = 0.5
"""Confidence from which it is worth a hint."""
MARGIN = float(np.log(SURE / (1 - SURE))) / STEEP
"""Cosine by which one of two must be ahead for the odds to be enough."""


@dataclass(frozen=True)
class Match:
    """Whom of the gallery a person is most like."""

    person: int
    name: str
    similarity: float
    """Mean cosine over the person's tracks and the name's photos."""
    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class Recognition:
    """What came of asking a gallery."""

    analysis: Analysis
    """With the names that are sure."""
    unsure: list[Match]
    """Who may be somebody, but stays unknown."""


def recognised(analysis: Analysis, gallery: Mapping[str, Float32]) -> Recognition:
    """Names those who are surely somebody; who has a name already keeps it.

    Two people of a video never get one name. Of several who are alike enough the most alike gets
    it; none does when two are about as alike and are seen at the same time: one of them is not it.

    Args:
        gallery: name to ``(n, 512)`` embeddings of the recogniser that the analysis was made with.
    """
    taken = {p.name.casefold() for p in analysis.people}
    names = [name for name in gallery if name.casefold() not in taken]
    matches = _matches(analysis, {name: gallery[name] for name in names})
    threshold = analysis.settings["identity"]["threshold"] or 0.0
    given: dict[int, Match] = {}
    for name in names:
        of_name = [m for m in matches if m.name == name]
        sure = [m for m in of_name if m.confidence >= SURE and m.similarity >= threshold]
        if sure and not _has_rival(analysis, sure):
            given[sure[0].person] = sure[0]
    people = [
        replace(p, name=given[p.id].name, confidence=given[p.id].confidence) if p.id in given else p
        for p in analysis.people
    ]
    unsure = [m for m in matches if m.person not in given and m.confidence >= MAYBE]
    return Recognition(replace(analysis, people=people), unsure)


def confidences(alike: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n,)`` of n names by their cosines: together with 'unknown' they make one."""
    odds = np.exp(STEEP * (alike - EVEN)) / max(len(alike), 1)
    return np.asarray(odds / (1 + odds.sum()))


def _matches(analysis: Analysis, gallery: Mapping[str, Float32]) -> list[Match]:
    """Of each unnamed person the best, the most alike first."""
    found = []
    for person in analysis.people:
        tracks = [
            analysis.embeddings[t.id]
            for t in analysis.tracks
            if t.person == person.id and t.id in analysis.embeddings
        ]
        if not tracks or not gallery or is_named(person):
            continue
        middle = np.mean(tracks, axis=0)
        alike = np.array([float((faces @ middle).mean()) for faces in gallery.values()])
        best = int(alike.argmax())
        sure = min(float(confidences(alike)[best]), SUREST)
        found.append(Match(person.id, list(gallery)[best], float(alike[best]), round(sure, 2)))
    return sorted(found, key=lambda m: (-m.similarity, m.person))


def _has_rival(analysis: Analysis, sure: list[Match]) -> bool:
    """Whether the first of these who would have one name may as well be another of them."""
    best, *others = sure
    close = [m for m in others if best.similarity - m.similarity < MARGIN]
    return any(together(analysis, best.person, other.person) for other in close)
