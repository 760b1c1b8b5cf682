"""The interface of face embedders: networks that turn a face crop into a vector for comparison.

An embedder is one class in one file. ``tests/contract/test_embedder.py`` says what it must keep to,
and ``facetrack.testing.FakeEmbedder`` is the smallest one that does.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.recognition.calibration import Calibration


@dataclass(frozen=True)
class CropSpec:
    """How a face is cut out for an embedder: a square of uint8 RGB values, 0 to 255.

    The embedder itself scales and shifts the values as its network needs them.
    """

    size: int
    """Side in pixels."""
    aligned: bool
    """True: turned and scaled so that the five landmarks lie on the ArcFace template. False: the
    face's box with a margin, stretched to a square."""


class Embedder(Protocol):
    """Turns face crops into embeddings: vectors that are close where the person is the same.

    Only one thread calls an embedder at a time.
    """

    name: str
    """``sface``, ``facenet``, ``vggface2``, or a file's name with the first digits of its SHA-256.
    Embeddings of two names are never compared."""
    crop: CropSpec
    dim: int
    """Length of an embedding."""
    calibration: Calibration
    """From the cosine of two embeddings to the probability that they are of one person."""

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        """Embeds face crops; each embedding depends on its own crop alone.

        Args:
            crops: ``(n, size, size, 3)`` uint8 RGB, cut out as ``crop`` says; ``n`` may be 0.

        Returns:
            ``(n, dim)`` float32, each of length one, in the order of the crops.

        Raises:
            ValueError: when the crops have another shape or type.
        """
        ...


def require_crops(crops: NDArray[np.uint8], spec: CropSpec, name: str) -> None:
    """Checks what an embedder is given.

    Args:
        crops: what was given.
        spec: what the embedder takes.
        name: of the embedder, for the message.

    Raises:
        ValueError: when ``crops`` is not a ``(n, size, size, 3)`` array of uint8.
    """
    if crops.dtype != np.uint8 or crops.shape[1:] != (spec.size, spec.size, 3):
        raise ValueError(
            f"crops are {crops.dtype} {crops.shape}; the embedder {name} takes uint8 "
            f"(n, {spec.size}, {spec.size}, 3)"
        )
