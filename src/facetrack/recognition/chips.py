"""Cuts the face out of the picture as InceptionResnetV1 wants it, and says how good it is.

The crop follows facenet-pytorch's ``extract_face`` with a margin of 14 of 160 pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from facetrack.media.picture import Cut, Picture
from facetrack.types import Float32

Float64 = NDArray[np.float64]

CHIP_SIZE = 160
CHIP_MARGIN = 14
SHARP = 60.0
"""Laplacian variance of a chip from which it counts as fully sharp (judged by eye)."""
LARGE_PX = 120.0
"""Face height from which more pixels add nothing to the embedding."""


def face_corners(boxes: Float32, size: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(n, 4)`` x1 y1 x2 y2 of the faces with their margin, whole pixels of the picture.

    A box wholly outside the picture still has one pixel to cut. ``size``: ``(2,)`` or ``(n, 2)``
    width and height of the picture of all, or of each.
    """
    margin = CHIP_MARGIN * (boxes[:, 2:] - boxes[:, :2]) / (CHIP_SIZE - CHIP_MARGIN) / 2
    first = np.clip((boxes[:, :2] - margin).astype(np.int64), 0, size - 1)
    end = np.clip((boxes[:, 2:] + margin).astype(np.int64), first + 1, size)
    return np.concatenate([first, end], axis=1)


def face_cuts(pictures: Sequence[Picture], boxes: Float32) -> list[Cut]:
    """The faces with their margins, as they are in the pictures.

    ``boxes``: ``(n, 4)`` x1 y1 x2 y2 in pixels, one in each picture.
    """
    sizes = np.array([picture.shape[::-1] for picture in pictures])
    corners = face_corners(boxes, sizes).tolist()
    return [picture.cut(*c) for picture, c in zip(pictures, corners, strict=True)]


def face_cut(picture: Picture, box: Float32) -> Cut:
    """The face with its margin, as it is in the picture; ``box``: x1 y1 x2 y2 in pixels."""
    return face_cuts([picture], box[None])[0]


def face_chip(cut: Cut) -> NDArray[np.uint8]:
    """``(160, 160, 3)`` uint8 RGB, stretched to a square as facenet-pytorch does it."""
    crop = Pillow.fromarray(np.ascontiguousarray(cut.rgb()))
    return np.asarray(crop.resize((CHIP_SIZE, CHIP_SIZE), Pillow.Resampling.BILINEAR))


def frontality(landmarks: Float32) -> Float64:
    """``(n,)``: 1 when the nose stands midway between the eyes, 0 in full profile.

    ``landmarks``: ``(n, 5, 2)`` left eye, right eye, nose, left and right mouth corner.
    """
    left = landmarks[:, 0]
    across = landmarks[:, 1] - left
    span = np.vecdot(across, across).astype(np.float64)
    # Where the eyes lie on each other the face is seen from the side.
    along = np.vecdot(landmarks[:, 2] - left, across) / np.maximum(span, 1.0)
    return np.where(span < 1.0, 0.0, np.maximum(1.0 - 2.0 * np.abs(along - 0.5), 0.0))


def sharpness(chip: NDArray[np.uint8]) -> float:
    """0 to 1, from the variance of the Laplacian of the chip's brightness.

    A measure of focus by Pech-Pacheco et al. (ICPR 2000).

    Args:
        chip: ``(160, 160, 3)`` uint8 RGB.
    """
    red, green, blue = (chip[..., i].astype(np.float32) for i in range(3))
    grey = (red + green + blue) / np.float32(3)
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    return min(1.0, float(laplacian.var()) / SHARP)


def pose_quality(boxes: Float32, landmarks: Float32, scores: Float32) -> Float64:
    """``(n,)`` 0 to 1 from size, frontality and score: all that is known before crops are made.

    The arguments are arrays of ``Faces``.
    """
    heights = boxes[:, 3] - boxes[:, 1]
    sizes = np.minimum(heights.astype(np.float64) / LARGE_PX, 1.0)
    return np.asarray(sizes * (0.25 + 0.75 * frontality(landmarks)) * scores)


def chip_quality(pose: float, sharp: float) -> float:
    """0 to 1 from ``pose_quality`` and ``sharpness``; never above ``pose``."""
    return pose * (0.5 + 0.5 * sharp)
