"""What the pipeline asks of the machine that runs the networks."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.detection.boxes import Indices
from facetrack.media.picture import Picture
from facetrack.types import Faces, Float32


class Engine(Protocol):
    """Runs the detector in one thread and the recogniser in one thread, side by side."""

    name: str
    """For the report, e.g. ``openvino cpu f32``."""
    card: str | None
    """UUID of the NVIDIA card that the networks run on, as NVML has it; None: on none."""
    smallest_batch: int
    """Pictures together that fill it, when so many wait."""

    frames_ahead: int
    """Pictures that should be begun behind those whose faces are waited for, so that it never runs
    out of work."""

    def detect(self, pictures: Sequence[Picture]) -> Iterator[Faces]:
        """Faces of each picture, in order, as they become known; all pictures of one size.

        The call may begin the work; whoever iterates waits for it.
        """
        ...

    def refine(self, pictures: Sequence[Picture], of_picture: Indices, anchors: Float32) -> Faces:
        """What O-Net makes of ``(n, 4)`` squares in ``pictures[of_picture]``; rows in order."""
        ...

    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        """``(n, 160, 160, 3)`` uint8 RGB face crops to ``(n, 512)`` float32 of length one."""
        ...
