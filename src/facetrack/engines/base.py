"""What the pipeline asks of the machine that runs the networks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.detection.boxes import Indices
from facetrack.types import Faces, Float32, Image


class Engine(Protocol):
    """Runs the detector and the recogniser; safe to use from one thread at a time."""

    name: str
    """For the report, e.g. ``openvino cpu f32``."""

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        """Faces of each picture; all pictures ``(height, width, 3)`` uint8 RGB of one size."""
        ...

    def refine(self, images: Sequence[Image], of_image: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of ``(n, 4)`` squares in ``images[of_image]``; rows in order."""
        ...

    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        """``(n, 160, 160, 3)`` uint8 RGB face crops to ``(n, 512)`` float32 of length one."""
        ...
