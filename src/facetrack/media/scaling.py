"""Frames made smaller by libswscale, whose tables are kept from frame to frame."""

import threading

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from facetrack.core.types import Image


class _Scaler(threading.local):
    """Making the tables costs more than scaling; they are no two threads' at once."""

    def __init__(self) -> None:
        self.smaller, self.coloured = VideoReformatter(), VideoReformatter()


_scaler = _Scaler()


def scaled(image: VideoFrame, height: int, width: int) -> Image:
    """A 4:2:0 frame as ``(height, width, 3)`` uint8 RGB, each pixel a mean of all under it.

    In two steps: libswscale scales planes several times faster than it scales into RGB. Even
    sizes are faster, for the same reason.
    """
    small = _scaler.smaller.reformat(
        image, width, height, "yuv420p", interpolation="BILINEAR", threads=1
    )
    coloured = _scaler.coloured.reformat(small, format="rgb24", threads=1)
    return np.asarray(coloured.to_ndarray(), np.uint8)
