"""Whether one coarse frame shows what another does, elsewhere: the camera was knocked or shakes."""

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Image

FARTHEST = (2, 3)
"""Most rows and columns of samples that the frame moves by: a twentieth of its height and width."""
LEFT = 0.65
"""Share of the change of brightness that a motion by whole samples leaves, below which it is one.
Measured on 744 cuts at least 0.68, on knocks by 12 of 640 pixels at most 0.69, mostly 0.63."""
LEFT_BY_LESS = 0.94
"""The same for a motion by less than a sample, which the gradients show, as points between samples
are not known. Measured on 676 cuts at least 0.96, on knocks by 3 and 6 of 640 pixels at most
0.92."""


def is_moved(before: Image, after: Image) -> bool:
    """Whether a motion of the whole frame explains the change between two coarse frames."""
    first, then = before.astype(np.int16), after.astype(np.int16)
    return (
        _left_by_gradients(first, then) < LEFT_BY_LESS
        or _left_by_samples(first.sum(axis=-1, dtype=np.int16), then.sum(axis=-1, dtype=np.int16))
        < LEFT
    )


def _left_by_samples(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Share of the change that the best motion by whole samples leaves."""
    rows, columns = FARTHEST
    inner = before[rows:-rows, columns:-columns]
    elsewhere = np.lib.stride_tricks.sliding_window_view(after, inner.shape)
    changes = np.abs(elsewhere - inner).sum(axis=(2, 3), dtype=np.int32)
    return float(changes.min() / max(changes[rows, columns], 1))


def _left_by_gradients(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Share of the change that the best small motion leaves, by the method of Lucas and Kanade."""
    inner = slice(1, -1)
    mean, change = before + after, (after - before)[inner, inner].astype(np.float32)
    down = (mean[2:, inner] - mean[:-2, inner]).astype(np.float32)
    right = (mean[inner, 2:] - mean[inner, :-2]).astype(np.float32)
    slopes, changed = np.stack([down.ravel(), right.ravel()]), change.ravel()
    motion = np.linalg.pinv(slopes @ slopes.T) @ (slopes @ changed)
    return float(np.abs(changed - motion @ slopes).sum() / max(np.abs(changed).sum(), 1))
