"""What the product asks of a network that tells people apart, and of its crops."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.recognition.calibration import Calibration


@dataclass(frozen=True)
class CropSpec:
    """How a face is cut out for an embedder: always square, RGB, uint8 of 0 to 255.

    What the network does to the values is the embedder's own matter.
    """

    size: int
    """Side in pixels."""
    aligned: bool
    """Turned and scaled so that the five landmarks lie on the ArcFace template; else the face's
    box with a margin, stretched to a square."""


class Embedder(Protocol):
    """Turns face crops into embeddings: vectors that are close where the person is the same.

    One thread calls it at a time.
    """

    name: str
    """``sface``, ``facenet``, ``vggface2``, or a file's name with the beginning of its SHA-256.
    Embeddings of two names are never compared."""
    crop: CropSpec
    dim: int
    """Numbers in an embedding."""
    calibration: Calibration
    """From the cosine of two embeddings to the probability that they are of one person."""

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        """``(n, size, size, 3)`` uint8 RGB face crops to ``(n, dim)`` float32 of length one."""
        ...
