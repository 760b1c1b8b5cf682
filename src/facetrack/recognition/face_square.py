"""A face as a square picture of any size: upright in its box, or turned so that the eyes are level.

Nothing is stretched; what lies outside the picture is black. The crop that is embedded is made in
``recognition.crops``.
"""

import numpy as np

from facetrack.media.face_cut import Placement, extent, placed
from facetrack.media.picture import Picture
from facetrack.types import Float32, Image

ALIGNED = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
ALIGNED_SIDE = 112
"""Where eyes, nose and mouth corners come to lie in a square of this side: the points of SphereFace
(Liu et al., CVPR 2017) as ArcFace (Deng et al., CVPR 2019) places them, for which most recognition
networks since were trained."""


def around(box: Float32, size: int, margin: float) -> Placement:
    """The square around a face's middle.

    Args:
        box: ``(4,)`` x1 y1 x2 y2 in pixels of the picture.
        size: side of the square in its own pixels.
        margin: how much wider than the longer side of the box, as a part of that side.
    """
    corners = np.asarray(box, np.float64).reshape(2, 2)
    scale = max(np.ptp(corners, axis=0).max(), 1.0) * (1 + margin) / size
    start = corners.mean(axis=0) - scale * size / 2
    return np.array([(scale, 0, start[0]), (0, scale, start[1])])


def aligned(landmarks: Float32, size: int) -> Placement:
    """The square in which the landmarks lie closest to ``ALIGNED``, as scaled to ``size``.

    Args:
        landmarks: ``(5, 2)`` x y in pixels of the picture: eyes, nose, mouth corners.
        size: side of the square in its own pixels.

    The least squares of Umeyama (PAMI 1991), in closed form: in the plane, as complex numbers, to
    turn and to scale is one multiplication.
    """
    seen = np.asarray(landmarks, np.float64) @ (1, 1j)
    wanted = ALIGNED @ (1, 1j) * (size / ALIGNED_SIDE)
    centred = seen - seen.mean()
    spread = max(np.vdot(centred, centred).real, 1e-9)
    turn = np.vdot(centred, wanted) / spread
    back = 1 / turn if abs(turn) > 1e-9 else 1.0
    start = seen.mean() - back * wanted.mean()
    return np.array([(back.real, -back.imag, start.real), (back.imag, back.real, start.imag)])


def on_square(points: Float32, placement: Placement) -> Float32:
    """``(n, 2)`` x y in pixels of the picture, as ``(n, 2)`` in pixels of the square."""
    return np.linalg.solve(placement[:, :2], (points - placement[:, 2]).T).T.astype(np.float32)


def square(picture: Picture, placement: Placement, size: int) -> Image:
    """``(size, size, 3)`` uint8 RGB; where it is made smaller each pixel is a mean of all under it.

    Only the part of the frame that is shown is turned into RGB.
    """
    x1, y1, x2, y2 = extent(placement, size, picture.shape)
    return placed(picture.part(x1, y1, x2, y2), (x1, y1), placement, size)
