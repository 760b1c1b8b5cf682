"""A GPU a person: the best face, when and how long they are there, and whom they are most like."""

import base64
from collections import Counter

import numpy as np

from facetrack.identity.people_similarity import PeopleSimilarity
from facetrack.identity.similarity import probability
from facetrack.report.text import clock, escaped, label, percent, rows
from facetrack.report.timeline import span_s
from facetrack.timeline import Analysis, Person

NOBODY = '<svg class="face" role="img" aria-label="no picture" viewBox="0 0 20 20"></svg>'


def people_panels(analysis: Analysis, similarity: PeopleSimilarity) -> str:
    """HTML of all people, in the analysis' order."""
    tracks = Counter(t.person for t in analysis.tracks)
    names = {p.id: label(p) for p in analysis.people}
    start_s, end_s = span_s(analysis)
    cards = [
        _panel(
            person,
            analysis.thumbnails.get(person.id),
            {
                "on screen": f"{person.seconds:.2f} s",
                "of the video": percent(person.seconds / max(end_s - start_s, 1e-9)),
                "first seen": clock(person.first_s),
                "last seen": clock(person.last_s),
                "tracks": tracks[person.id],
                "most like": _nearest(person.id, similarity, names),
                **_sure(person),
            },
        )
        for person in analysis.people
    ]
    return "".join(cards) or "<p>Nobody was found in this video.</p>"


def face(person: int, alt: str) -> str:
    """The picture of a person once more: the script takes it from the GPU."""
    return f'<img class="face" data-face="{person}" alt="{escaped(alt)}">'


def image(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _panel(person: Person, jpeg: bytes | None, facts: dict[str, object]) -> str:
    name = escaped(label(person))
    shown = (
        f'<img class="face" id="face-{person.id}" src="{image(jpeg)}" alt="{name}">'
        if jpeg
        else NOBODY
    )
    return f'<article class="card">{shown}<div><h3>{name}</h3>{rows(facts)}</div></article>'


def _sure(person: Person) -> dict[str, object]:
    """How sure a gallery was of the name, where one gave it."""
    return {} if person.confidence is None else {"name is sure": f"{person.confidence:.2f}"}


def _nearest(person: int, similarity: PeopleSimilarity, names: dict[int, str]) -> str:
    """Who else the person is most like, and the probability that the two are one."""
    if person not in similarity.people or len(similarity.people) < 2:
        return "nobody to compare"
    own = similarity.people.index(person)
    odds = similarity.between_people[own].copy()
    odds[own] = -np.inf
    return f"{names[similarity.people[odds.argmax()]]}, {probability(float(odds.max())):.2f}"
