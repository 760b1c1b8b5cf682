"""The detector's output for one frame, as the tracker takes it."""

from typing import NamedTuple

from facetrack.core.types import Faces
from facetrack.media.frame_image import Frame


class FrameDetections(NamedTuple):
    """A frame and its faces."""

    frame: Frame
    starts_shot: bool
    """Whether the frame is the first one of a shot."""
    faces: Faces
