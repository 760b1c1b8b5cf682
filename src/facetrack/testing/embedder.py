"""An embedder without a network."""

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Float32
from facetrack.recognition.calibration import SFACE, Calibration
from facetrack.recognition.embedder import CropSpec, require_crops

GRID = 8
"""Rows and columns of the cells whose mean colours are the embedding."""


class FakeEmbedder:
    """Implements ``Embedder`` by the colours of a crop, in microseconds and without weights.

    An embedding is the mean colour of each of 8 x 8 cells. Two crops of one person in one scene are
    close; beyond that it recognises nobody. Plain crops of different colours are different people.
    """

    name = "fake"
    dim = 3 * GRID**2 + 1

    def __init__(
        self,
        crop: CropSpec | None = None,
        calibration: Calibration = SFACE,
    ) -> None:
        """``crop``: its size must be a multiple of 8; None: 112 pixels, aligned."""
        self.crop = crop or CropSpec(size=112, aligned=True)
        self.calibration = calibration
        self.batch_sizes: list[int] = []
        """Number of crops of each call so far."""
        if self.crop.size % GRID:
            raise ValueError(f"crop.size is {self.crop.size}; it must be a multiple of {GRID}")

    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        require_crops(crops, self.crop, self.name)
        self.batch_sizes.append(len(crops))
        side = self.crop.size // GRID
        cells = crops.reshape(len(crops), GRID, side, GRID, side, 3).mean(axis=(2, 4))
        vectors = np.ones((len(crops), self.dim))  # the last number is never 0, nor is the length
        vectors[:, :-1] = cells.reshape(len(crops), self.dim - 1) - 127.5
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
