"""The planes of a decoded frame as they stand upright, at the depth they were decoded in."""

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

from facetrack.core.types import Image
from facetrack.media.planar import PLANAR, Plane, planes


@dataclass(frozen=True)
class Upright:
    """Y, U and V of an upright frame."""

    planes: tuple[Plane, Plane, Plane]
    across: int
    """Luma samples for one of chroma, from left to right."""
    down: int
    bits: int
    _image: VideoFrame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.planes[0].shape[1], self.planes[0].shape[0]

    @classmethod
    def of(cls, image: VideoFrame, matrix: int) -> "Upright":
        """Views of the frame's memory where its format is planar.

        ``matrix`` (1: BT.709, 5: BT.601) is used where the frame is RGB.
        """
        turns = (image.rotation % 360) // 90
        if image.format.name not in PLANAR:
            if image.format.is_rgb:
                image = image.reformat(
                    format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG"
                )
            else:
                image = image.reformat(format="yuv420p")
        across, down, bits = PLANAR[image.format.name]
        if turns % 2:
            across, down = down, across
        y, u, v = planes(image)
        if turns:
            y, u, v = np.rot90(y, turns), np.rot90(u, turns), np.rot90(v, turns)
        return cls((y, u, v), across, down, bits, image)

    def rgb(self) -> Image:
        """``(height, width, 3)`` uint8."""
        image = self._image.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(image, self._image.rotation % 360 // 90))
