"""How stored frames are turned and mirrored to stand upright, as their display matrix says.

There are eight ways: four turns, and each of them mirrored. Every part of the program turns frames
here, so that analysis, clips and face crops show the same.
"""

import struct
from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.media.side_data import side_data


class Orientation(NamedTuple):
    """What makes a stored frame upright: first the turn, then the mirror."""

    turns: int
    """Quarter turns counter-clockwise, 0 to 3."""
    mirrored: bool
    """Whether left and right are exchanged after the turn."""

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """By the frame's display matrix, as the ffmpeg program shows it.

        The matrix takes a stored pixel to its place: ``x' = a x + c y``, ``y' = b x + d y``. A
        negative determinant means that it mirrors, which no angle says. Other angles than quarter
        turns count as the nearest one.
        """
        matrix = side_data(frame, "DISPLAYMATRIX")
        if matrix is None:  # what PyAV itself says of it, if there is one
            return cls(round(frame.rotation / 90) % 4, False)
        a, b, _, c, d = struct.unpack_from("=5i", matrix)
        mirrored = a * d - b * c < 0
        if mirrored:  # without the mirror, which exchanges left and right at the end
            a, c = -a, -c
        if abs(a) + abs(d) >= abs(b) + abs(c):
            turns = 0 if a + d >= 0 else 2
        else:
            turns = 1 if c - b > 0 else 3
        return cls(turns, mirrored)

    @property
    def degrees(self) -> int:
        """The turn counter-clockwise."""
        return self.turns * 90

    @property
    def swaps_axes(self) -> bool:
        """Whether rows become columns."""
        return self.turns % 2 == 1

    def upright(self, plane: NDArray[Any]) -> NDArray[Any]:
        """A view of ``(height, width, ...)`` pixels that stands upright."""
        turned = np.rot90(plane, self.turns)
        return turned[:, ::-1] if self.mirrored else turned


UPRIGHT = Orientation(0, False)
"""Of frames that are shown as they are stored."""
