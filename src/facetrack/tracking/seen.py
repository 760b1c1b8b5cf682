"""What the tracker is given of each frame."""

from typing import NamedTuple

from facetrack.media.picture import Frame
from facetrack.types import Faces


class Seen(NamedTuple):
    """A frame, whether it starts a shot, and its faces."""

    frame: Frame
    starts_shot: bool
    faces: Faces
