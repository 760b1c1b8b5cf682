"""A face as a square of any size: upright around its box, or turned so that the eyes are level.

Width and height are scaled by the same factor; what is outside the frame is black. The crops that
are embedded are made in ``recognition.crops``.
"""

import numpy as np

from facetrack.core.types import Float32, Image
from facetrack.media.face_cut import Placement, extent, placed
from facetrack.media.frame_image import FrameImage

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
"""``ALIGNED`` are x y of eyes, nose and mouth corners in a square of this side: the points of
SphereFace (Liu et al., CVPR 2017) as ArcFace (Deng et al., CVPR 2019) places them. Most recognition
networks since then were trained with faces that are aligned so."""


def around(box: Float32, size: int, margin: float) -> Placement:
    """The upright square around the middle of a face.

    Args:
        box: ``(..., 4)`` x1 y1 x2 y2 in pixels of the frame.
        size: side of the square in its own pixels.
        margin: how much larger the square is than the longer side of the box, as a share of it.

    Returns:
        ``(..., 2, 3)`` placement: from pixels of the square to pixels of the frame.
    """
    corners = np.asarray(box, np.float64).reshape(*box.shape[:-1], 2, 2)
    scale = np.maximum(np.ptp(corners, axis=-2).max(axis=-1), 1.0) * (1 + margin) / size
    placement = np.zeros((*scale.shape, 2, 3))
    placement[..., 0, 0] = placement[..., 1, 1] = scale
    placement[..., 2] = corners.mean(axis=-2) - (scale * size / 2)[..., None]
    return placement


def aligned(landmarks: Float32, size: int) -> Placement:
    """The turned square in which the landmarks are closest to ``ALIGNED``, scaled to ``size``.

    Args:
        landmarks: ``(..., 5, 2)`` x y in pixels of the frame: eyes, nose, mouth corners.
        size: side of the square in its own pixels.

    Returns:
        ``(..., 2, 3)`` placement: from pixels of the square to pixels of the frame.

    The least squares of Umeyama (PAMI 1991) in closed form. With points of the plane as complex
    numbers, a rotation with a scale is one multiplication.
    """
    given = np.asarray(landmarks, np.float64) @ (1, 1j)
    wanted = ALIGNED @ (1, 1j) * (size / ALIGNED_SIDE)
    middle = given.mean(axis=-1)
    centred = given - middle[..., None]
    spread = np.maximum((np.abs(centred) ** 2).sum(axis=-1), 1e-9)
    turn = (centred.conj() * wanted).sum(axis=-1) / spread
    back = np.where(np.abs(turn) > 1e-9, 1 / np.where(turn == 0, 1, turn), 1.0)
    start = middle - back * wanted.mean()
    rows = [(back.real, -back.imag, start.real), (back.imag, back.real, start.imag)]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def on_square(points: Float32, placement: Placement) -> Float32:
    """``(n, 2)`` x y in pixels of the square.

    Args:
        points: ``(n, 2)`` x y in pixels of the frame.
        placement: ``(2, 3)`` of the square.
    """
    return np.linalg.solve(placement[:, :2], (points - placement[:, 2]).T).T.astype(np.float32)


def square(image: FrameImage, placement: Placement, size: int) -> Image:
    """``(size, size, 3)`` uint8 RGB: the square cut out of the frame.

    Where the square is smaller than its part of the frame, each pixel is the mean of all that it
    covers. Only that part of the frame is converted to RGB.
    """
    x1, y1, x2, y2 = extent(placement, size, image.shape)
    return placed(image.part(x1, y1, x2, y2), (x1, y1), placement, size)
