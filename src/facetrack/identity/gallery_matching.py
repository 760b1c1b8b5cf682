"""Names people of a video whom a gallery knows, where that is sure enough.

How sure is a matter of how alike they are, of how good the faces are, of who else is known, and of
how many: among a hundred names some stranger is more alike than among two. The recogniser's
calibration gives the odds of each name. Before anybody is looked at, the person is as likely
somebody of the gallery as nobody, each name equally; and each name is as likely nobody of the video
as somebody, each person equally.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facetrack.identity.editing import is_named, together
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.similarity import CalibratedJudge, log_odds_of
from facetrack.timeline import Analysis

SURE = 0.9
"""Confidence from which a name is given."""
SUREST = 0.99
"""Said of nobody is more: calibrations know little of what happens once in a thousand times."""
MAYBE = 0.5
"""Confidence from which it is worth a hint."""
MARGIN = log_odds_of(SURE)
"""Log-odds by which one of two must be ahead to be sure."""
MOST = 12.0
"""Log-odds beyond which a pair of faces counts no more. More than inside a video: of a thousand
names each begins with odds of one in a thousand."""


@dataclass(frozen=True)
class Match:
    """Whom of the gallery a person is most like."""

    person: int
    name: str
    similarity: float
    """Mean cosine over the person's tracks and the name's photos."""
    log_odds: float
    """How much likelier these faces are of one person than of two."""
    confidence: float
    """0 to 1: with the other names, and nobody, in mind."""


@dataclass(frozen=True)
class Recognition:
    """What came of asking a gallery."""

    analysis: Analysis
    """With the names that are sure."""
    unsure: list[Match]
    """Who may be somebody, but stays unknown."""


def recognised(analysis: Analysis, gallery: Mapping[str, EmbeddingSet]) -> Recognition:
    """Names those who are surely somebody; who has a name already keeps it.

    Two people of a video never get one name. Of several who are alike enough the most alike gets
    it; none does when two are about as alike and are seen at the same time: one of them is not it.
    Where the run was told a threshold of cosine, that must be reached too.

    Args:
        gallery: name to embeddings of the recogniser that the analysis was made with.
    """
    taken = {p.name.casefold() for p in analysis.people}
    names = [name for name in gallery if name.casefold() not in taken]
    matches = _matches(analysis, {name: gallery[name] for name in names})
    threshold = analysis.settings["identity"].get("threshold")
    least = -1.0 if threshold is None else threshold
    given: dict[int, Match] = {}
    for name in names:
        of_name = [m for m in matches if m.name == name]
        sure = [m for m in of_name if m.confidence >= SURE and m.similarity >= least]
        if sure and not _has_rival(analysis, sure):
            given[sure[0].person] = sure[0]
    people = [
        replace(p, name=given[p.id].name, confidence=given[p.id].confidence) if p.id in given else p
        for p in analysis.people
    ]
    unsure = [m for m in matches if m.person not in given and m.confidence >= MAYBE]
    return Recognition(replace(analysis, people=people), unsure)


def confidences(log_odds: NDArray[np.float64], people: int = 1) -> NDArray[np.float64]:
    """``(n,)`` of n names by their log-odds: together with 'unknown' they make one.

    ``people``: how many there are in the video.
    """
    odds = np.exp(log_odds) / max(len(log_odds), people)
    return np.asarray(odds / (1 + odds.sum()))


def _matches(analysis: Analysis, gallery: Mapping[str, EmbeddingSet]) -> list[Match]:
    """Of each unnamed person the best, the most probable first."""
    judge = CalibratedJudge(analysis.recognizer.calibration, prior=0.0, most=MOST)
    similarity = PeopleSimilarity(analysis, judge)
    if not gallery or not similarity.people:
        return []
    odds = similarity.with_groups(EmbeddingGroups.of(list(gallery.values()), judge))
    nameless = {p.id for p in analysis.people if not is_named(p)}
    found = []
    for person, of_person in zip(similarity.people, odds, strict=True):
        if person not in nameless:
            continue
        best = int(of_person.argmax())
        name = list(gallery)[best]
        tracks = similarity.embeddings.vectors[similarity.of_person[person]]
        cosine = float((gallery[name].vectors @ tracks.mean(axis=0)).mean())
        sure = min(float(confidences(of_person, len(analysis.people))[best]), SUREST)
        found.append(Match(person, name, cosine, float(of_person[best]), round(sure, 2)))
    return sorted(found, key=lambda m: (-m.log_odds, m.person))


def _has_rival(analysis: Analysis, sure: list[Match]) -> bool:
    """Whether the first of these who would have one name may as well be another of them."""
    best, *others = sure
    close = [m for m in others if best.log_odds - m.log_odds < MARGIN]
    return any(together(analysis, best.person, other.person) for other in close)
