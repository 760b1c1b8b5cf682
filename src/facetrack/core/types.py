"""The types that all stages share: images, faces of a frame, and facts of a video."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A frame: ``(height, width, 3)`` uint8, RGB, upright."""

Float32 = NDArray[np.float32]

SOURCE = np.dtype("<U12")
"""Type of ``Faces.sources``; the longest value is ``interpolated``."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Embeddings and sharpness of faces, from a detector that computes them while it detects."""

    embeddings: Float32
    """``(n, dim)`` unit vectors."""
    sharpness: Float32
    """``(n,)`` 0 to 1, as ``recognition.quality.sharpness``."""

    def pick(self, which: NDArray[np.intp] | slice) -> "Recognised":
        """The faces at these indices, in this order."""
        return Recognised(self.embeddings[which], self.sharpness[which])


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one frame, best score first."""

    boxes: Float32
    """``(n, 4)`` x1 y1 x2 y2 in pixels of the upright frame; may reach past its edges."""
    scores: Float32
    """``(n,)`` the detector's score, 0 to 1."""
    landmarks: Float32
    """``(n, 5, 2)`` x y of left eye, right eye, nose, left and right mouth corner (image sides)."""
    anchors: Float32
    """``(n, 4)`` the squares that MTCNN's O-Net was given; from there it detects the face again in
    the next frame."""
    sources: NDArray[np.str_]
    """``(n,)`` ``detected`` in the whole frame, ``refined`` (detected again near the place where
    the face was expected), or ``interpolated`` between two detections."""
    recognised: Recognised | None = None
    """Embeddings of the same faces; None: faces are cropped and embedded when they are needed."""

    @classmethod
    def of_one_source(
        cls, boxes: Float32, scores: Float32, landmarks: Float32, anchors: Float32, source: str
    ) -> "Faces":
        """Faces that all have the same source."""
        return cls(boxes, scores, landmarks, anchors, np.full(len(boxes), source, SOURCE))

    @classmethod
    def none(cls) -> "Faces":
        """The faces of a frame that shows none."""
        return cls(
            np.empty((0, 4), np.float32),
            np.empty(0, np.float32),
            np.empty((0, 5, 2), np.float32),
            np.empty((0, 4), np.float32),
            np.empty(0, SOURCE),
        )

    def __post_init__(self) -> None:
        n = len(self.boxes)
        shapes = (self.boxes.shape, self.scores.shape, self.landmarks.shape)
        if shapes != ((n, 4), (n,), (n, 5, 2)):
            raise ValueError(f"faces need (n, 4), (n,) and (n, 5, 2), got {shapes}")

    def __len__(self) -> int:
        return len(self.boxes)

    def with_recognised(self, recognised: Recognised) -> "Faces":
        """The same faces with their embeddings."""
        return replace(self, recognised=recognised)

    def split(self, counts: Sequence[int]) -> list["Faces"]:
        """Splits the faces, in order, into groups of these sizes."""
        ends = list(accumulate(counts, initial=0))
        return [self.pick(slice(a, b)) for a, b in pairwise(ends)]

    def pick(self, which: NDArray[np.intp] | slice) -> "Faces":
        """The faces at these indices, in this order."""
        return Faces(
            self.boxes[which],
            self.scores[which],
            self.landmarks[which],
            self.anchors[which],
            self.sources[which],
            self.recognised and self.recognised.pick(which),
        )


class StreamChoice(NamedTuple):
    """Which streams of a file are read, and how."""

    video: int | None = None
    """Number in the file, from 0; None: the best one."""
    audio: int | None = None
    """The same."""
    deinterlace: bool = True
    """Whether interlaced frames are made whole."""


BEST_STREAMS = StreamChoice()
"""The streams that ``media.choosing`` takes for the best."""


@dataclass(frozen=True, slots=True)
class Join:
    """A place at which the times of a file begin anew or jump, as where two films were joined."""

    at_s: float
    """Time of the film in seconds from which on the shift holds."""
    shift_s: float
    """Seconds that are added to the file's times, so that the film goes on without a gap."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How the times of the film's frames follow from those in the file."""

    corrected: bool = False
    """Whether a frame has another time than the file says; else frames are found again by it."""
    local: bool = False
    """Whether only frames that lie between others were corrected, as those that have a time twice.
    Then reading may begin at any key frame; else it begins at the start of the film, where frames
    are found again by their number."""
    joins: tuple[Join, ...] = ()
    """In order; empty where the file's times go on from its start to its end."""


NO_CORRECTION = Clock()
"""The clock of a film whose frames have the times that the file says."""


SQUARE = Fraction(1)
"""Width / height of a pixel."""
WIDEST_PIXEL = 8
"""Width / height of a pixel, and the other way round, from which it is taken for damage; the widest
in use is about 2."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts of a video."""

    path: Path
    width: int
    height: int
    """Size of the upright frame in pixels; where it changes, of most frames."""
    rotation: int
    """Degrees by which the stored frame is turned counter-clockwise to be upright."""
    frame_count: int
    """Number of decoded frames: of the file, or of the part that was asked for."""
    fps: Fraction
    duration_s: float
    has_audio: bool
    video_codec: str
    fingerprint: str | None = None
    """Size and hash of the file, as ``media.fingerprint`` gives it; None: not known."""
    clock: Clock = NO_CORRECTION
    video_stream: int | None = None
    """Number of the stream that was analysed; None: an older version did not say."""
    audio_stream: int | None = None
    """Number of the stream that clips take their sound from; None: there is none."""
    mirrored: bool = False
    """Whether the frame, once it is turned, is mirrored left to right to be upright."""
    pixel_aspect: Fraction = SQUARE
    """Width / height of a pixel of the upright frame. Sizes, boxes and crops are in these pixels;
    clips and face crops have square ones."""
    hdr: str | None = None
    """``pq`` or ``hlg``; None: the standard dynamic range."""
    deinterlaced: bool = False
    """Whether interlaced frames were made whole, before anything else was done with them."""

    @property
    def streams(self) -> StreamChoice:
        """What was analysed, so that all that is made of the analysis reads the same."""
        return StreamChoice(self.video_stream, self.audio_stream, self.deinterlaced)
