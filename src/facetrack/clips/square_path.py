"""The camera path of a clip: where the crop lies in each frame.

Made with the whole segment in view, so it neither lags nor overshoots: outliers are taken out by a
median, motion is smoothed symmetrically in time, shots apart from each other. Pure NumPy/SciPy.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

Float64 = NDArray[np.float64]

MEDIAN_FRAMES = 7
POSITION_SMOOTH_S = 0.25
"""Standard deviation of the position's smoothing: follows a walk, forgets a nod."""
SIZE_SMOOTH_S = 1.0
"""The size changes far more slowly, or the picture would pump."""
LOWER = 0.15
"""How far below the face's middle the crop's middle lies, in face heights: hair above, chin and
shoulders below."""


def crop_path(
    times_s: Float64,
    known: NDArray[np.intp],
    boxes: Float64,
    shot_starts: Sequence[int],
    picture: tuple[int, int],
    zoom: float,
) -> Float64:
    """Square crops ``(n, 4)`` x1 y1 x2 y2 in pixels, always inside the picture.

    Args:
        times_s: ``(n,)`` presentation times of the segment's frames.
        known: positions (0 to n-1, ascending) of the frames whose face is known; at least one.
        boxes: ``(len(known), 4)`` the faces there.
        shot_starts: positions at which a new shot begins; the path is smoothed apart on each side.
        picture: width and height in pixels.
        zoom: side of the crop in face heights.
    """
    middle_x = (boxes[:, 0] + boxes[:, 2]) / 2
    height = boxes[:, 3] - boxes[:, 1]
    middle_y = (boxes[:, 1] + boxes[:, 3]) / 2 + LOWER * height
    path = np.empty((len(times_s), 3))
    edges = [0, *sorted(s for s in set(shot_starts) if 0 < s < len(times_s)), len(times_s)]
    for start, end in pairwise(edges):
        inside = (known >= start) & (known < end)
        if not inside.any():  # a shot without the person: hold what is nearest
            inside = np.zeros(len(known), bool)
            inside[np.abs(known - start).argmin()] = True
        at = times_s[known[inside]]
        frame_s = float(np.median(np.diff(times_s[start:end]))) if end - start > 1 else 1.0
        for column, (values, smooth_s) in enumerate(
            (
                (middle_x, POSITION_SMOOTH_S),
                (middle_y, POSITION_SMOOTH_S),
                (height, SIZE_SMOOTH_S),
            )
        ):
            every_frame = np.interp(times_s[start:end], at, values[inside])
            path[start:end, column] = _smoothed(every_frame, smooth_s / max(frame_s, 1e-3))
    return _inside(path, picture, zoom)


def _smoothed(values: Float64, sigma_frames: float) -> Float64:
    steady = median_filter(values, size=MEDIAN_FRAMES, mode="nearest")
    return np.asarray(gaussian_filter1d(steady, sigma_frames, mode="nearest"))


def _inside(path: Float64, picture: tuple[int, int], zoom: float) -> Float64:
    """Centre and face height to a square that is shifted, and if need be shrunk, to fit."""
    limits = np.array(picture, float)
    side = np.minimum(path[:, 2] * zoom, limits.min())
    centre = np.clip(path[:, :2], side[:, None] / 2, limits - side[:, None] / 2)
    return np.concatenate([centre - side[:, None] / 2, centre + side[:, None] / 2], axis=1)
