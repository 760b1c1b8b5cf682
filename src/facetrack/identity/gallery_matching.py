"""Names the people of a video whom a gallery holds, where that is sure enough.

The confidence of a name depends on the similarity, on how good the faces are, on the other names,
and on their number: among a hundred names some stranger is closer than among two. The recogniser's
calibration gives the odds of each name. A priori, a person is as probably in the gallery as not,
with all names equally probable; and a name is as probably in the video as not, with all people
equally probable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facetrack.core.settings import IdentitySettings
from facetrack.identity.editing import is_named, shared_intervals
from facetrack.identity.embedding_groups import EmbeddingGroups, EmbeddingSet
from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.similarity import CalibratedScorer, log_odds_of
from facetrack.timeline import Analysis
from facetrack.timeline.stored_settings import stored_setting

SURE = 0.9
"""Confidence from which a name is given."""
MAX_CONFIDENCE = 0.99
"""Highest confidence that is given: calibrations say little about what happens once in a thousand
times."""
MAYBE = 0.5
"""Confidence from which a match is worth a hint."""
MARGIN = log_odds_of(SURE)
"""Log-odds by which the best of two people must be ahead of the other to be sure."""
MAX_LOG_ODDS = 12.0
"""Limit of the log-odds of a pair of faces. It is higher than inside a video: with a thousand names
each begins with odds of one in a thousand."""


@dataclass(frozen=True)
class Match:
    """A person of the video and the name in the gallery that fits best."""

    person: int
    name: str
    similarity: float
    """Mean cosine over the person's tracks and the name's photos."""
    log_odds: float
    """Log-odds that the person's faces and the photos are of one person."""
    confidence: float
    """Probability of the name, 0 to 1, beside the other names and beside none of them."""


@dataclass(frozen=True)
class GalleryMatches:
    """The result of looking up the people of a video in a gallery."""

    analysis: Analysis
    """With the names that are sure."""
    unsure: list[Match]
    """People who may be in the gallery, but keep their number."""


def match_gallery(analysis: Analysis, gallery: Mapping[str, EmbeddingSet]) -> GalleryMatches:
    """Names the people who are surely in the gallery; a person with a name keeps it.

    Two people of a video never get one name. If several are similar enough, the most similar one
    gets the name. If two are about equally similar and share a frame, none gets it: one of them is
    another person. If the run had a threshold of cosine, that must be reached too.

    Args:
        analysis: of the video.
        gallery: name to embeddings, by the recogniser that the analysis was made with.
    """
    taken = {p.name.casefold() for p in analysis.people}
    names = [name for name in gallery if name.casefold() not in taken]
    matches = _matches(analysis, {name: gallery[name] for name in names})
    threshold = stored_setting(analysis, IdentitySettings, "threshold")
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
    return GalleryMatches(replace(analysis, people=people), unsure)


def confidences(log_odds: NDArray[np.float64], people: int = 1) -> NDArray[np.float64]:
    """``(n,)`` probability of each of ``n`` names; their sum and that of no name is 1.

    Args:
        log_odds: ``(n,)`` of the names.
        people: number of people in the video.
    """
    odds = np.exp(log_odds) / max(len(log_odds), people)
    return np.asarray(odds / (1 + odds.sum()))


def _matches(analysis: Analysis, gallery: Mapping[str, EmbeddingSet]) -> list[Match]:
    """The best match of each unnamed person, the most probable first."""
    scorer = CalibratedScorer(analysis.recognizer.calibration, prior=0.0, max_log_odds=MAX_LOG_ODDS)
    similarity = PeopleSimilarity(analysis, scorer)
    if not gallery or not similarity.people:
        return []
    odds = similarity.with_groups(EmbeddingGroups.of(list(gallery.values()), scorer))
    nameless = {p.id for p in analysis.people if not is_named(p)}
    found = []
    for person, of_person in zip(similarity.people, odds, strict=True):
        if person not in nameless:
            continue
        best = int(of_person.argmax())
        name = list(gallery)[best]
        mean = similarity.embeddings.pick(similarity.of_person[person]).mean
        cosine = float((gallery[name].vectors @ mean).mean())
        sure = min(float(confidences(of_person, len(analysis.people))[best]), MAX_CONFIDENCE)
        found.append(Match(person, name, cosine, float(of_person[best]), round(sure, 2)))
    return sorted(found, key=lambda m: (-m.log_odds, m.person))


def _has_rival(analysis: Analysis, sure: list[Match]) -> bool:
    """Whether another of the matches of one name is as good as the first, and shares a frame."""
    best, *others = sure
    close = [m for m in others if best.log_odds - m.log_odds < MARGIN]
    return any(shared_intervals(analysis, best.person, other.person) for other in close)
