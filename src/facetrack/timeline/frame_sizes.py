"""The sizes of a film's frames: most films have one, some change it from shot to shot."""

import numpy as np
from numpy.typing import NDArray

Sizes = NDArray[np.int32]
"""``(n, 2)`` width and height of the upright frames in pixels."""


def changing_sizes(sizes: Sizes) -> Sizes | None:
    """The sizes; None where all are the same."""
    return None if (sizes == sizes[:1]).all() else sizes


def sizes_of(sizes: Sizes | None, usual: tuple[int, int], at: NDArray[np.intp]) -> Sizes:
    """``(k, 2)`` sizes of the frames at these positions.

    Args:
        sizes: of all frames; None: all have the usual size.
        usual: width and height in pixels.
        at: ``(k,)`` positions among the frames, from 0.
    """
    if sizes is None:
        return np.tile(np.array(usual, np.int32), (len(at), 1))
    return sizes[at]
