"""What an analysis is made of: people, tracks, intervals, shots, and tracks that were dropped."""

from dataclasses import dataclass

from facetrack.recognition.calibration import Calibration

FORGOTTEN = "forgotten"
"""Why a track was dropped whose faces were taken out on request."""


@dataclass(frozen=True)
class Person:
    """Somebody of a video: a group of tracks that one person left."""

    id: int
    """From 1, by screen time, most first; an edit changes nobody's number."""
    name: str
    frames: int
    seconds: float
    first_s: float
    last_s: float
    thumbnail: str | None
    """Path of a picture, relative to the folder."""
    confidence: float | None = None
    """That the name is right, 0 to 1, where a gallery gave it."""


@dataclass(frozen=True)
class TrackSummary:
    """One face followed from frame to frame, and whose it is."""

    id: int
    person: int
    """0: nobody known."""
    first_frame: int
    last_frame: int
    """Inclusive."""
    faces: int = 0
    """Faces behind the embedding; 0: there is none, or it is not known."""
    face_px: float = 0.0
    """Their height in pixels, as the recogniser's calibration counts it."""
    sharpness: float = 0.0
    """How sharp they are, 0 to 1."""
    frontality: float = 0.0
    """How far they look at the camera, 0 (profile) to 1."""
    agreement: float | None = None
    """How much their embeddings are alike, 0 to 1: the length of their mean."""
    commonness: float | None = None
    """How much the embedding looks like everybody, for recognisers of which that is known."""


@dataclass(frozen=True)
class Split:
    """A track that went over from one person to another, and so is two."""

    track: int
    """What was before the change."""
    into: int
    """What came after it."""
    frame: int
    """The first frame after the change."""


@dataclass(frozen=True)
class Uncertain:
    """Something about who is who that a person should look at."""

    kind: str
    """``same``: two people who may be one; ``different``: tracks of a person that may be somebody
    else."""
    people: list[int]
    """The two people, or the one."""
    tracks: list[int]
    """``different``: the tracks in doubt. ``same``: the parts of a track that was split between the
    two, where there is one; else empty."""
    probability: float
    """That they are one person, 0 to 1."""


@dataclass(frozen=True)
class RecognizerInfo:
    """The network that an analysis' embeddings are of."""

    name: str
    """As ``Embedder.name``."""
    dim: int
    """Numbers in an embedding."""
    calibration: Calibration
    """From a cosine to a probability."""


@dataclass(frozen=True)
class Interval:
    """A stretch of frames in which a person is on screen without a break."""

    person: int
    start_frame: int
    end_frame: int
    """Exclusive."""
    start_s: float
    end_s: float
    """Presentation time of the frame after the last one, or the end of the video."""


@dataclass(frozen=True)
class Shot:
    """Frames from one cut of the film to the next."""

    start_frame: int
    end_frame: int
    """Exclusive."""


@dataclass(frozen=True)
class Dropped:
    """A track that became nobody, and why."""

    track: int
    reason: str
    """``too short``, ``too small``, ``unsure``, ``not a face`` (the recogniser sees no features in
    it), or ``forgotten``: its faces were taken out."""
    detail: str
    first_frame: int
    last_frame: int
