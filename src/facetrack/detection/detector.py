"""What the product asks of a network, or of several, that finds faces in frames."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from facetrack.core.types import Faces
from facetrack.media.frame_image import FrameImage


class Detector(Protocol):
    """Finds the faces of frames. One thread calls it at a time."""

    name: str
    """``mtcnn`` or ``yunet``."""
    smallest_batch: int
    """Frames that fill it together, when so many wait."""
    frames_ahead: int
    """Frames that should be begun behind those whose faces are waited for, so that it never runs
    out of work."""

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        """The faces of each frame, in order, as they become known; all frames of one size.

        Boxes and landmarks are in pixels of the upright frame, best score first. A score is the
        probability that the box holds a face, whatever the network calls a score. The call may
        begin the work; whoever iterates waits for it.
        """
        ...
