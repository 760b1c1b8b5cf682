"""YuNet on frames of any size: scales the frame, decodes the outputs, suppresses overlaps.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence
Research 2023). The network has outputs at three strides, one for each cell of 8, 16 or 32 pixels.
The module knows no inference engine: it takes the network as ``YunetNetwork``.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.boxes import nms
from facetrack.core.settings import DetectionSettings
from facetrack.core.types import Faces, Float32, Image
from facetrack.media.frame_image import FrameImage

STRIDES = (8, 16, 32)
"""Side of a cell of each output, in pixels of the network's input."""
MULTIPLE = 32
"""The sides of the network's input are multiples of this."""
LONGEST_SIDE = 960
"""Maximum of the longer side of the network's input, in pixels."""
SMALLEST_SEEN = 16.0
"""Height in pixels of the network's input from which faces are found: in 150 marked frames, 70 % of
the faces of 14 pixels, 86 % of those of 16 to 20 and 97 % of larger ones were found."""
SCORE = 0.6
"""The network's own score from which a box is a face."""
SLOPE, SHIFT = 17.5, 9.65
"""Logistic function from the network's score to a probability: 0.6 becomes 0.70, 0.72 becomes 0.95.
Boxes are faces about as often as MTCNN's boxes of the same probability (docs/performance.md)."""
NMS = 0.3
"""IoU from which the box with the lower score is suppressed."""
CANDIDATES = 1000
"""Maximum number of boxes of a frame before suppression, the best first."""


class YunetNetwork(Protocol):
    """The network on an inference engine."""

    def run(self, images: Sequence[Image]) -> list[list[Float32]]:
        """Nine arrays for each ``(height, width, 3)`` uint8 RGB image whose sides are multiples of
        32: for each stride scores ``(1, 2, h, w)``, boxes ``(1, 4, h, w)`` and landmarks
        ``(1, 10, h, w)``, raw."""
        ...


def scaled_size(height: int, width: int, settings: DetectionSettings) -> tuple[int, int]:
    """Height and width to which a frame is scaled for the network, before it is padded.

    The frame is made as small as its smallest face to find allows, and no side is longer than
    ``LONGEST_SIDE``. It is never made larger.

    Args:
        height: of the frame in pixels.
        width: of the frame in pixels.
        settings: the smallest face to find; None: 16 pixels of the network's input.
    """
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if settings.min_face is not None:
        scale = min(scale, SMALLEST_SEEN / settings.min_face)
    return max(1, round(height * scale)), max(1, round(width * scale))


class Yunet:
    """Finds faces with the network of any engine."""

    def __init__(self, network: YunetNetwork, settings: DetectionSettings) -> None:
        self._network = network
        self._settings = settings

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        """See ``Detector.detect``."""
        if not images:
            return
        height, width = scaled_size(*images[0].shape, self._settings)
        outputs = self._network.run([padded(p.scaled(height, width)) for p in images])
        for image, arrays in zip(images, outputs, strict=True):
            scale = np.array([image.shape[1] / width, image.shape[0] / height], np.float32)
            yield decoded(arrays, scale)


def decoded(outputs: Sequence[Float32], scale: Float32) -> Faces:
    """The faces of one frame, best score first.

    Args:
        outputs: the nine arrays of ``YunetNetwork.run``.
        scale: ``(2,)`` pixels of the frame for one pixel of the network's input, in x and y.
    """
    heads = zip(outputs[::3], outputs[1::3], outputs[2::3], STRIDES, strict=True)
    found = [_of_stride(*of_stride) for of_stride in heads]
    boxes, points, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    kept = best[nms(boxes[best], scores[best], NMS)]
    boxes = boxes[kept] * np.tile(scale, 2)
    probabilities = probability(scores[kept])
    return Faces.of_one_source(boxes, probabilities, points[kept] * scale, boxes, "detected")


def probability(scores: Float32) -> Float32:
    """``(n,)`` scores of the network to ``(n,)`` probabilities that a box holds a face."""
    return np.asarray(1 / (1 + np.exp(SHIFT - SLOPE * scores)), np.float32)


def _of_stride(
    scores: Float32, boxes: Float32, points: Float32, stride: int
) -> tuple[Float32, Float32, Float32]:
    """Boxes ``(n, 4)``, landmarks ``(n, 5, 2)`` in pixels of the network's input, scores
    ``(n,)``."""
    both = np.sqrt(scores[0, 0] * scores[0, 1])
    rows, columns = np.nonzero(both >= SCORE)
    cell = np.stack([columns, rows], axis=1).astype(np.float32)
    raw = boxes[0][:, rows, columns].T
    centre = (cell + raw[:, :2]) * np.float32(stride)
    half = np.exp(raw[:, 2:]) * np.float32(stride / 2)
    shifts = points[0][:, rows, columns].T.reshape(-1, 5, 2)
    marks = (cell[:, None] + shifts) * np.float32(stride)
    return np.concatenate([centre - half, centre + half], axis=1), marks, both[rows, columns]


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the network's input for an image of this size."""
    return height + -height % MULTIPLE, width + -width % MULTIPLE


def padded(image: Image) -> NDArray[np.uint8]:
    """The image, padded with black below and on the right to ``padded_size``."""
    height, width = image.shape[:2]
    rows, columns = padded_size(height, width)
    if (rows, columns) == (height, width):
        return image
    return np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)))
