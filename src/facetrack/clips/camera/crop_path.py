"""The camera path of a panel: where its crop lies in each frame.

The path of a shot is made from all of its frames at once, and shots do not influence each other.
Guarantees:
- A crop lies inside the frame and has the framing's aspect, once its pixels are shown square. One
  that stands still through its shot lies on whole pixels, and its longer side is off the aspect by
  two pixels at most.
- Within a shot, centre and size change no faster than ``MAX_SPEED`` and ``MAX_GROWTH``, and their
  accelerations are at most ``MAX_ACCELERATION`` and ``MAX_GROWTH_ACCELERATION``.

Needs NumPy and SciPy alone; does not know people or files.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from facetrack.clips.camera.framing import Framing, anchors, centre_below_eyes
from facetrack.clips.camera.smoothing import REACH, SHORTEST_STEP_S, bridged, outliers, smoothed

Float64 = NDArray[np.float64]
Sizes = NDArray[np.int32]
"""``(n, 2)`` widths and heights in pixels."""

TOLERANCE = 0.05
"""Distance by which a face may be off its place before the crop follows, in shorter sides of the
crop."""
MAX_SPEED = 6.0
"""Shorter sides of the crop in a second. A person who walks past the camera was measured at 5.2 in
an upright close-up; a slower crop would lose them."""
SIGMA_S = 0.3
"""Standard deviation in seconds of the Gaussian that smooths the position."""
MAX_ACCELERATION = 0.8 * MAX_SPEED / SIGMA_S
"""Shorter sides of the crop in a second squared."""
SIZE_TOLERANCE = 0.06
"""As ``TOLERANCE`` for the size, in natural logarithms: a nod is no reason to zoom."""
MAX_GROWTH = 0.4
"""Change of the size's natural logarithm in a second."""
SIZE_SIGMA_S = 0.6
"""Standard deviation in seconds of the Gaussian that smooths the size."""
MAX_GROWTH_ACCELERATION = 0.8 * MAX_GROWTH / SIZE_SIGMA_S
WHOLE_FROM = 64
"""Shorter side in pixels from which a crop that stands still is put on whole pixels."""
OUTLIER = 0.25
"""Face heights by which a face is off its neighbours in time, from which it may be an outlier."""


def crop_path(
    times_s: Float64,
    at: NDArray[np.intp],
    boxes: Float64,
    landmarks: Float64,
    shot_starts: Sequence[int],
    image: tuple[int, int] | Sizes,
    framing: Framing,
) -> Float64:
    """Crops ``(n, 4)``: centre x, centre y, width and height in pixels of the upright frame.

    A shot without a face gets the crop of the nearest frame, in time, that has one.

    Args:
        times_s: ``(n,)`` presentation times of the frames in seconds, in order.
        at: ``(k,)`` positions (0 to n-1, ascending) of the frames that have a face; at least one.
        boxes: ``(k, 4)`` x1 y1 x2 y2 of these faces in pixels.
        landmarks: ``(k, 5, 2)`` their landmarks in pixels.
        shot_starts: positions at which a new shot begins.
        image: width and height of the frame in pixels; or ``(n, 2)`` of each frame, which are the
            same within a shot.
    """
    # A damaged stream may show two frames at one time.
    times_s = np.maximum.accumulate(times_s) + 1e-6 * np.arange(len(times_s))
    wanted = anchors(boxes, landmarks)
    crops = np.full((len(times_s), 4), np.nan)
    sizes = np.broadcast_to(np.asarray(image), (len(times_s), 2))
    edges = [0, *sorted(s for s in set(shot_starts) if 0 < s < len(times_s)), len(times_s)]
    for start, end in pairwise(edges):
        inside = (at >= start) & (at < end)
        if inside.any():
            at_s = times_s[at[inside]]
            size = (int(sizes[start, 0]), int(sizes[start, 1]))
            crops[start:end] = _shot(times_s[start:end], at_s, wanted[inside], size, framing)
    for start, end in pairwise(edges):
        if np.isnan(crops[start, 0]):
            before, after = at[at < start], at[at >= end]
            near = [*before[-1:], *after[:1]]
            away_s = [abs(times_s[start if k < start else end - 1] - times_s[k]) for k in near]
            nearest = crops[near[int(np.argmin(away_s))]]
            crops[start:end] = inside_frame(nearest[None], sizes[start])
    return crops


def inside_frame(crops: Float64, image: tuple[int, int] | Sizes) -> Float64:
    """The crops, made smaller where they are larger than the frame, then moved into it.

    Args:
        crops: ``(n, 4)`` centre x, centre y, width and height in pixels.
        image: width and height of the frame in pixels; or ``(n, 2)`` of each frame.
    """
    limits = np.array(image, float)
    shrink = np.minimum(1.0, (limits / crops[:, 2:]).min(axis=1, keepdims=True))
    sizes = crops[:, 2:] * shrink
    return np.concatenate([np.clip(crops[:, :2], sizes / 2, limits - sizes / 2), sizes], axis=1)


def wanted_path(
    times_s: Float64, at_s: Float64, wanted: Float64, image: tuple[int, int], framing: Framing
) -> Float64:
    """``(n, 3)`` for each frame of a shot: the wanted centre x and y, and the crop's height.

    The height is smoothed already, the centre is not.

    Args:
        times_s: ``(n,)`` presentation times of the shot's frames in seconds.
        at_s: ``(k,)`` times at which a face was found.
        wanted: ``(k, 3)`` the ``anchors`` of these faces.
        image: width and height of the frame in pixels.
    """
    usual = float(np.median(wanted[:, 2]))
    off = [outliers(at_s, column, OUTLIER * usual) for column in wanted.T]
    kept = ~np.logical_or.reduce(off)
    if 2 * kept.sum() < len(kept):  # unsteady, but there is nothing else
        kept[:] = True
    x, eyes, face = (bridged(times_s, at_s[kept], column) for column in wanted[kept].T)
    height = framing.height(face, image)
    if framing.adaptive:
        face, height = _steady_size(times_s, face), _steady_size(times_s, height)
    else:
        face[:], height[:] = np.median(face), np.median(height)
    return np.stack([x, eyes + centre_below_eyes(height, face), height], axis=1)


def _shot(
    times_s: Float64, at_s: Float64, wanted: Float64, image: tuple[int, int], framing: Framing
) -> Float64:
    x, y, height = wanted_path(times_s, at_s, wanted, image, framing).T
    aspect = framing.crop_aspect
    # The size may change within the Gaussian's reach. So each value must fit for the largest crop
    # in reach, and be slow enough for the smallest: then so does and is their mean.
    reach = _frames(times_s, REACH * SIGMA_S)
    widest = maximum_filter1d(height, reach, mode="nearest")
    shorter = minimum_filter1d(height, reach, mode="nearest") * min(1.0, aspect)
    centres = []
    for values, side, limit in ((x, widest * aspect, image[0]), (y, widest, image[1])):
        fitting = np.clip(values, side / 2, limit - side / 2)
        centres.append(
            smoothed(times_s, fitting, TOLERANCE * shorter, MAX_SPEED * shorter, SIGMA_S)
        )
    crops = inside_frame(np.stack([*centres, height * aspect, height], axis=1), image)
    if (crops == crops[0]).all() and crops[0, 2:].min() >= WHOLE_FROM:
        crops[:] = _whole(crops[0], aspect, image)
    return crops


def _whole(crop: Float64, aspect: float, image: tuple[int, int]) -> Float64:
    """The crop moved to even pixels, where it is scaled in a third of the time.

    Its longer side is off the aspect by two pixels at most.
    """
    even = 2 * (np.array(image) // 2)
    shorter = 2 * np.rint(crop[2:].min() / 2)
    longer = 2 * np.rint(shorter * max(aspect, 1 / aspect) / 2)
    size = np.minimum([longer, shorter] if aspect > 1 else [shorter, longer], even)
    corner = 2 * np.rint((crop[:2] - size / 2) / 2)
    corner = np.clip(corner, 0, even - size)
    return np.concatenate([corner + size / 2, size])


def _steady_size(times_s: Float64, size: Float64) -> Float64:
    every = np.ones(len(times_s))
    logarithm = smoothed(
        times_s, np.log(size), SIZE_TOLERANCE * every, MAX_GROWTH * every, SIZE_SIGMA_S
    )
    return np.asarray(np.exp(logarithm))


def _frames(times_s: Float64, reach_s: float) -> int:
    """Number of frames of a window that reaches so many seconds to both sides."""
    if len(times_s) == 1:
        return 1
    step_s = max((times_s[-1] - times_s[0]) / (len(times_s) - 1), SHORTEST_STEP_S)
    return 2 * int(np.ceil(reach_s / step_s)) + 1
