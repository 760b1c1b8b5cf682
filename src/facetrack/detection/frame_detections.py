"""What the tracker is given of each frame."""

from typing import NamedTuple

from facetrack.core.types import Faces
from facetrack.media.frame_image import Frame


class FrameDetections(NamedTuple):
    """A frame, whether it starts a shot, and its faces."""

    frame: Frame
    starts_shot: bool
    faces: Faces
