"""The interface of face detectors: frames in, faces out; and a frame with its faces."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from facetrack.core.boxes import Indices
from facetrack.core.types import Faces, Float32
from facetrack.media.frame_image import Frame, FrameImage

SURE = 0.95
"""Score from which a face is sure: a second run on another crop would not help."""


class Detector(Protocol):
    """Finds the faces of frames. One thread calls it at a time.

    ``tests/contract/test_detector.py`` holds what every implementation must do.
    """

    name: str
    """``mtcnn`` or ``yunet``; for messages and reports."""
    smallest_batch: int
    """Number of frames that one call should have when as many are queued."""
    frames_ahead: int
    """Number of frames that the caller should pass to later calls of ``detect`` before it waits
    for the faces of the first one, so that the device never runs out of work."""

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        """Yields the faces of each frame, in the order of the frames.

        The faces of a frame come best score first, with boxes and landmarks in pixels of the
        upright frame. A score is the probability that the box holds a face, 0 to 1. The faces of
        a frame do not depend on the other frames of the call. The call may start the work; the
        iterator waits for it.

        Args:
            images: frames of one size; may be empty.
        """
        ...


class Redetects(Protocol):
    """Finds a face again where it is expected. This costs much less than searching the frame."""

    def redetect(self, images: Sequence[FrameImage], of_image: Indices, anchors: Float32) -> Faces:
        """One face for each anchor, in order.

        Its score is 0 where the anchor holds no face or lies outside the frame. All rows have the
        source ``refined``.

        Args:
            images: frames of one size.
            of_image: ``(n,)`` position in ``images`` of each anchor's frame.
            anchors: ``(n, 4)`` squares x1 y1 x2 y2 in pixels where a face is expected.
        """
        ...


@runtime_checkable
class RedetectingDetector(Detector, Redetects, Protocol):
    """A detector that can also find faces again where they are expected."""


class FrameDetections(NamedTuple):
    """A frame and its faces."""

    frame: Frame
    starts_shot: bool
    """Whether the frame is the first one of a shot."""
    faces: Faces
