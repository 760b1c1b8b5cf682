"""YuNet on frames of any size: scaled, decoded at three strides, suppressed with our own boxes.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence
Research 2023). Knows nothing of engines: the network is given.
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
MULTIPLE = 32
"""What the sides of the network's input are multiples of."""
LONGEST_SIDE = 960
"""Pixels of the longer side of the frame as the network sees it, at most."""
SMALLEST_SEEN = 16.0
"""Pixels of a face in the network's input from which it is found: of 150 marked frames 86 % of
those of 16 to 20 pixels, 97 % of larger ones, 70 % of those of 14."""
SCORE = 0.6
"""The network's own score from which a box is a face."""
SLOPE, SHIFT = 17.5, 9.65
"""Turn the network's own score into a probability: 0.6 becomes 0.70 and 0.72 becomes 0.95, where
the boxes of MTCNN with these probabilities are about as often faces (docs/performance.md)."""
NMS = 0.3
"""IoU of two boxes from which the one with the lower score goes."""
CANDIDATES = 1000
"""Boxes of a frame that are looked at, the best first."""


class YunetNetwork(Protocol):
    """The network on some engine."""

    def run(self, images: Sequence[Image]) -> list[list[Float32]]:
        """For each ``(height, width, 3)`` uint8 RGB image, sides multiples of 32, nine arrays: for
        each stride scores ``(1, 2, h, w)``, boxes ``(1, 4, h, w)``, landmarks ``(1, 10, h, w)``."""
        ...


def scaled_size(height: int, width: int, settings: DetectionSettings) -> tuple[int, int]:
    """Height and width of the frame as the network sees it, before it is filled up.

    As large as the smallest face that is asked for needs, up to ``LONGEST_SIDE``.
    """
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if settings.min_face is not None:
        scale = min(scale, SMALLEST_SEEN / settings.min_face)
    return max(1, round(height * scale)), max(1, round(width * scale))


class Yunet:
    """Implements the finding of faces for every engine."""

    def __init__(self, network: YunetNetwork, settings: DetectionSettings) -> None:
        self._network = network
        self._settings = settings

    def detect(self, images: Sequence[FrameImage]) -> Iterator[Faces]:
        """See ``Detector.detect``."""
        if not images:
            return
        height, width = scaled_size(*images[0].shape, self._settings)
        outputs = self._network.run([filled(p.scaled(height, width)) for p in images])
        for image, arrays in zip(images, outputs, strict=True):
            scale = np.array([image.shape[1] / width, image.shape[0] / height], np.float32)
            yield decoded(arrays, scale)


def decoded(outputs: Sequence[Float32], scale: Float32) -> Faces:
    """The faces of one frame, best first.

    Args:
        outputs: as ``YunetNetwork.run`` gives them.
        scale: ``(2,)`` pixels of the frame for one of the network's input, across and down.
    """
    heads = zip(outputs[::3], outputs[1::3], outputs[2::3], STRIDES, strict=True)
    found = [_of_stride(*of_stride) for of_stride in heads]
    boxes, points, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = np.argsort(-scores, kind="stable")[:CANDIDATES]
    kept = best[nms(boxes[best], scores[best], NMS)]
    boxes = boxes[kept] * np.tile(scale, 2)
    surely = probability(scores[kept])
    return Faces.of_one_source(boxes, surely, points[kept] * scale, boxes, "detected")


def probability(scores: Float32) -> Float32:
    """``(n,)`` scores of the network as probabilities that a box is a face."""
    return np.asarray(1 / (1 + np.exp(SHIFT - SLOPE * scores)), np.float32)


def _of_stride(
    scores: Float32, boxes: Float32, points: Float32, stride: int
) -> tuple[Float32, Float32, Float32]:
    """Boxes ``(n, 4)``, landmarks ``(n, 5, 2)`` and scores ``(n,)`` in pixels of the input."""
    surely = np.sqrt(scores[0, 0] * scores[0, 1])
    rows, columns = np.nonzero(surely >= SCORE)
    cell = np.stack([columns, rows], axis=1).astype(np.float32)
    raw = boxes[0][:, rows, columns].T
    centre = (cell + raw[:, :2]) * np.float32(stride)
    half = np.exp(raw[:, 2:]) * np.float32(stride / 2)
    shifts = points[0][:, rows, columns].T.reshape(-1, 5, 2)
    marks = (cell[:, None] + shifts) * np.float32(stride)
    return np.concatenate([centre - half, centre + half], axis=1), marks, surely[rows, columns]


def filled_size(height: int, width: int) -> tuple[int, int]:
    """Sides of the network's input, multiples of 32, for an image of this size."""
    return height + -height % MULTIPLE, width + -width % MULTIPLE


def filled(image: Image) -> NDArray[np.uint8]:
    """The image, black below and to the right of it up to ``filled_size``."""
    height, width = image.shape[:2]
    rows, columns = filled_size(height, width)
    if (rows, columns) == (height, width):
        return image
    return np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)))
