"""What an analysis is made of: people, tracks, intervals, shots, and tracks that were dropped.

Also: a person is found by number or name, and a person's entry is made from ranges of frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from facetrack.core.errors import TargetError
from facetrack.core.frame_range import StartEnd, frame_count
from facetrack.core.schema import Seconds, Share, Size
from facetrack.recognition.calibration import Calibration

FORGOTTEN = "forgotten"
"""``Dropped.reason`` of a track whose faces were removed at the user's request."""


@dataclass(frozen=True)
class Person:
    """A person of the video: all tracks that show this person."""

    id: int
    """From 1; the person with the most screen time first. Edits do not change numbers."""
    name: str
    frames: int
    seconds: Seconds
    first_s: Seconds
    last_s: Seconds
    thumbnail: str | None
    """Path of the thumbnail, relative to the folder; None: there is none."""
    confidence: Share | None = None
    """Probability that the name is right, 0 to 1, if a gallery gave the name."""


@dataclass(frozen=True)
class Track:
    """One face followed from frame to frame, and the person that it shows."""

    id: int
    person: int
    """0: unknown."""
    first_frame: int
    last_frame: int
    """Inclusive."""
    faces: int = 0
    """Number of faces whose mean the embedding is; 0: no embedding, or not stored."""
    face_px: Size = 0.0
    """Mean height of these faces in pixels, as the recogniser's calibration counts it."""
    sharpness: Share = 0.0
    """Mean sharpness of these faces, 0 to 1."""
    frontality: Share = 0.0
    """How far these faces look at the camera, 0 (profile) to 1."""
    agreement: Size | None = None
    """Length of the mean of their unit embeddings, 0 to 1: 1 when all are equal."""
    commonness: float | None = None
    """Similarity of the embedding to faces in general, if known for the recogniser."""


@dataclass(frozen=True)
class Split:
    """A track that switched from one person to another and was divided in two."""

    track: int
    """Number of the track before the switch."""
    into: int
    """Number of the track after the switch."""
    frame: int
    """First frame after the switch."""


@dataclass(frozen=True)
class Uncertain:
    """A doubt about identities that the user should check."""

    kind: str
    """``same``: two people may be one; ``different``: tracks of a person may show another one."""
    people: list[int]
    """Numbers of the two people, or of the one person."""
    tracks: list[int]
    """``different``: the tracks in doubt. ``same``: the parts of a track that was divided between
    the two people; empty if there is none."""
    probability: Share
    """Probability that they are one person, 0 to 1."""


@dataclass(frozen=True)
class RecognizerInfo:
    """The network that computed the embeddings of an analysis."""

    name: str
    """As ``Embedder.name``."""
    dim: int
    """Length of an embedding."""
    calibration: Calibration
    """Turns a cosine into the probability of the same person."""


@dataclass(frozen=True)
class Interval:
    """Consecutive frames in which a person is on screen."""

    person: int
    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: Seconds
    end_s: Seconds
    """Presentation time of frame ``end_frame``, or the end of the video, in seconds."""


@dataclass(frozen=True)
class Shot:
    """Frames from one cut of the video to the next."""

    start_frame: int
    end_frame: int
    """Exclusive."""


@dataclass(frozen=True)
class Dropped:
    """A track that belongs to no person, and why."""

    track: int
    reason: str
    """``too short``, ``too small``, ``unsure`` (low detection score), ``not a face`` (the
    recogniser finds no features), or ``forgotten``: its faces were removed."""
    detail: str
    first_frame: int
    last_frame: int


NAMED_IN_MESSAGES = 12
"""People that a message lists before it says how many more there are."""


def find_person(people: Sequence[Person], wanted: int | str, called: str | None = None) -> Person:
    """The person with this number, or with this name; upper and lower case are the same.

    Args:
        called: how an error message names what was asked for; by default "person WANTED".

    Raises:
        TargetError: when nobody, or more than one person, has the number or name.
    """
    if isinstance(wanted, str):
        found = [p for p in people if p.name.casefold() == wanted.casefold()]
    else:
        found = [p for p in people if p.id == wanted]
    if len(found) == 1:
        return found[0]
    why = f"is the name of {len(found)} people" if found else "is not in this video"
    raise TargetError(f"{called or f'person {wanted}'} {why}; there {in_short(people)}")


def in_short(people: Sequence[Person]) -> str:
    """The people of a video, to follow *there* in a message: "are 1, 2 (Ada)"."""
    if not people:
        return "is nobody"
    shown = ", ".join(
        str(p.id) if p.name == default_name(p.id) else f"{p.id} ({p.name})"
        for p in people[:NAMED_IN_MESSAGES]
    )
    left = len(people) - NAMED_IN_MESSAGES
    more = f" and {left} more" if left > 0 else ""
    return f"{'is' if len(people) == 1 else 'are'} {shown}{more}"


def most_first(ranges: Sequence[StartEnd]) -> tuple[int, int]:
    """Sort key of people: the longest screen time first, then the earliest first frame."""
    return -frame_count(ranges), ranges[0][0] if ranges else 0


def default_name(person: int) -> str:
    """The name of a person whom nobody named."""
    return f"Person {person}"


def thumbnail_name(person: int) -> str:
    """File name of a person's thumbnail in the folder ``people/``."""
    return f"person_{person:02}.jpg"


def person_with_intervals(
    person: int,
    ranges: Sequence[StartEnd],
    first_frame: int,
    edges_s: Sequence[float],
    name: str | None = None,
    confidence: float | None = None,
    has_thumbnail: bool = True,
) -> tuple[Person, list[Interval]]:
    """A person's entry and intervals, made from the frames in which the person is on screen.

    Args:
        ranges: first frame and the one after the last; in order, without overlap.
        edges_s: presentation time of each frame from ``first_frame`` on, and the end of the last.
        has_thumbnail: whether ``people/`` has a thumbnail of the person.
    """
    intervals = [
        Interval(person, a, b, float(edges_s[a - first_frame]), float(edges_s[b - first_frame]))
        for a, b in ranges
    ]
    return Person(
        id=person,
        name=name or default_name(person),
        frames=frame_count(ranges),
        seconds=round(sum(i.end_s - i.start_s for i in intervals), 6),
        first_s=intervals[0].start_s if intervals else 0.0,
        last_s=intervals[-1].end_s if intervals else 0.0,
        thumbnail=f"people/{thumbnail_name(person)}" if has_thumbnail else None,
        confidence=confidence,
    ), intervals
