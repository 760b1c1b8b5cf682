"""A detector whose faces are bright squares, and frames with such squares."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from facetrack.core.types import Faces, Image
from facetrack.media.frame_image import FrameImage, RgbImage

BRIGHT = 200
"""Value, of 255, from which all three colours of a pixel make it part of a square."""
SMALLEST = 4
"""Side in pixels of the smallest square that is found."""
LANDMARKS = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
"""x y of left eye, right eye, nose, left and right mouth corner, as shares of the square."""


class FakeDetector:
    """Implements ``Detector``: each bright rectangle is a face.

    The score is the rectangle's shorter side divided by its longer one, times the share of it that
    is bright: 1 for a perfect square.
    """

    name = "fake"
    smallest_batch = 1
    frames_ahead = 1

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        for image in images:
            yield _faces(image.rgb())


def frame_with_squares(
    height: int, width: int, boxes: Sequence[tuple[int, int, int, int]]
) -> RgbImage:
    """A dark frame with bright rectangles.

    Args:
        height: of the frame in pixels.
        width: of the frame in pixels.
        boxes: x1 y1 x2 y2 of each rectangle in pixels; x2 and y2 are exclusive.
    """
    rgb = np.full((height, width, 3), 40, np.uint8)
    for x1, y1, x2, y2 in boxes:
        rgb[y1:y2, x1:x2] = 255
    return RgbImage(rgb)


def _faces(rgb: Image) -> Faces:
    areas, _ = ndimage.label((rgb >= BRIGHT).all(axis=2))
    boxes, scores = [], []
    for number, (rows, columns) in enumerate(ndimage.find_objects(areas), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if min(height, width) < SMALLEST:
            continue
        bright = float((areas[rows, columns] == number).mean())
        boxes.append((columns.start, rows.start, columns.stop, rows.stop))
        scores.append(min(height, width) / max(height, width) * bright)
    if not boxes:
        return Faces.none()
    found = np.array(boxes, np.float32)
    size = found[:, None, 2:] - found[:, None, :2]
    faces = Faces.of_one_source(
        found,
        np.array(scores, np.float32),
        found[:, None, :2] + LANDMARKS * size,
        found,
        "detected",
    )
    return faces.pick(np.argsort(-faces.scores, kind="stable"))
