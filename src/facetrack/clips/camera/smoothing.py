"""Smooths a noisy line without lag: all values are known beforehand.

There are three steps, each symmetric in time:
1. A taut string is drawn through a tube around the values. It stands still while the values stay
   within the tube, and is straight elsewhere.
2. Where the string is too fast, it is replaced by the mean of the nearest slow lines above and
   below: of all lines that are slow enough, this one has the smallest maximum error.
3. A Gaussian rounds the corners. It makes no line faster; after a Gaussian of standard deviation s,
   a line of speed v has an acceleration of 0.8 v/s at most.

So speed and acceleration are bounded by construction.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

Float64 = NDArray[np.float64]

OUTLIER_WINDOW_S = 0.6
"""Seconds of the median that each value is compared with; what lasts half of it is a motion."""
OUTLIER_SPREADS = 5.0
"""Standard deviations (estimated by the median absolute deviation) from which a value is an
outlier."""
GAP_S = 1.0
"""Seconds in which the line goes from the value before a long gap to the value after it."""
EARLY_S = 0.5
"""Seconds before the end of a long gap at which the line has reached the value after it."""
SHORTEST_STEP_S = 1e-4
"""Seconds from a frame to the next that are counted at least: windows are so many frames long, and
folders of earlier versions have frames at one time."""
REACH = 4
"""Standard deviations after which the Gaussian ends."""


def smoothed(
    times_s: Float64, values: Float64, tolerance: Float64, speed: Float64, sigma_s: float
) -> Float64:
    """A smooth line ``(n,)`` near ``values``.

    Args:
        times_s: ``(n,)`` ascending.
        values: ``(n,)`` without gaps and outliers.
        tolerance: ``(n,)`` half of the tube's width at each value.
        speed: ``(n,)`` largest allowed change in a second.
        sigma_s: standard deviation of the Gaussian in seconds.
    """
    if len(values) == 1:
        return values
    string = taut_string(times_s, values - tolerance, values + tolerance)
    grid_s = np.linspace(times_s[0], times_s[-1], len(times_s))
    sigma = sigma_s / max(grid_s[1] - grid_s[0], SHORTEST_STEP_S)
    speed = np.interp(grid_s, times_s, speed)
    # Relative to the first value, so that a line that stands still is constant to the last bit.
    slow = no_faster(grid_s, np.interp(grid_s, times_s, string - string[0]), speed)
    return np.asarray(string[0] + np.interp(times_s, grid_s, _rounded(slow, sigma)))


def taut_string(times_s: Float64, low: Float64, high: Float64) -> Float64:
    """The shortest line ``(n,)`` between ``low`` and ``high``, both ``(n,)``; its ends are free."""
    floor, ceiling = np.maximum.accumulate(low), np.minimum.accumulate(high)
    if floor[-1] <= ceiling[-1]:  # it need not move at all
        level = np.clip(np.median((low + high) / 2), floor[-1], ceiling[-1])
        return np.full(len(low), level)
    at, value = _first_touch(low, high)
    back, last_value = _first_touch(low[::-1], high[::-1])
    last = len(low) - 1 - back
    bends, levels = _bends(
        times_s[at : last + 1].tolist(),
        [value, *low[at + 1 : last].tolist(), last_value],
        [value, *high[at + 1 : last].tolist(), last_value],
    )
    return np.interp(times_s, times_s[at + np.array(bends)], levels)


def _first_touch(low: Float64, high: Float64) -> tuple[int, float]:
    """Position at which a line that begins level must leave its level, and that level."""
    floor, ceiling = np.maximum.accumulate(low), np.minimum.accumulate(high)
    blocked = int(np.argmax(floor > ceiling))
    if low[blocked] > ceiling[blocked - 1]:  # it must rise: as late as the ceiling allows
        at = int(np.argmin(high[:blocked]))
        return at, float(high[at])
    at = int(np.argmax(low[:blocked]))
    return at, float(low[at])


def _bends(
    times_s: list[float], low: list[float], high: list[float]
) -> tuple[list[int], list[float]]:
    """Positions at which the string bends, and its values there; both ends of the tube are closed.

    This is the funnel algorithm. From the last bend, two hulls hold the shortest paths to the upper
    and to the lower end of the tube seen so far. Where a new path would cross the first piece of
    the other hull, that piece belongs to the string. Each end enters and leaves a hull once.
    """
    bends, levels = [0], [low[0]]
    upper, lower = deque([(times_s[0], high[0], 0)]), deque([(times_s[0], low[0], 0)])
    for i, time_s in enumerate(times_s[1:], start=1):
        for mine, other, value, sign in (
            (upper, lower, high[i], 1.0),
            (lower, upper, low[i], -1.0),
        ):
            new = (time_s, value, i)
            while len(mine) > 1 and sign * _turn(mine[-2], mine[-1], new) <= 0:
                mine.pop()
            if len(mine) == 1:
                while len(other) > 1 and sign * _turn(other[0], other[1], new) < 0:
                    other.popleft()
                    mine[0] = other[0]
                    bends.append(mine[0][2])
                    levels.append(mine[0][1])
            mine.append(new)
    rest = list(upper)[1:]
    return bends + [i for _, _, i in rest], levels + [value for _, value, _ in rest]


def _turn(
    a: tuple[float, float, int], b: tuple[float, float, int], c: tuple[float, float, int]
) -> float:
    """Positive where the path from ``a`` over ``b`` to ``c`` turns upwards."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def no_faster(times_s: Float64, values: Float64, speed: Float64) -> Float64:
    """The line nearest to ``values`` (by its maximum error) that is never faster than ``speed``."""
    mean_speed = (speed[1:] + speed[:-1]) / 2
    way = np.concatenate([[0.0], np.cumsum(mean_speed * np.diff(times_s))])
    return np.asarray((_slow_above(values, way) - _slow_above(-values, way)) / 2)


def _rounded(values: Float64, sigma: float) -> Float64:
    """The values after the Gaussian; ``sigma`` in samples.

    Beyond its ends the line is continued by a point reflection, so that a pan does not slow down
    there.
    """
    reach = int(np.ceil(REACH * sigma))
    padded = np.pad(values, reach, mode="reflect", reflect_type="odd")
    return np.asarray(gaussian_filter1d(padded, sigma, truncate=REACH)[reach : reach + len(values)])


def _slow_above(values: Float64, way: Float64) -> Float64:
    """The lowest line above ``values`` whose change is within that of ``way``."""
    falling = np.maximum.accumulate(values + way) - way
    rising = np.maximum.accumulate((values - way)[::-1])[::-1] + way
    return np.asarray(np.maximum(falling, rising))


def outliers(times_s: Float64, values: Float64, floor: float) -> NDArray[np.bool_]:
    """``(n,)`` whether a value is far off the median of its neighbours, and more than ``floor``."""
    if len(values) < 3:
        return np.zeros(len(values), bool)
    step_s = max(float(np.median(np.diff(times_s))), SHORTEST_STEP_S)
    half = max(1, min(round(OUTLIER_WINDOW_S / 2 / step_s), (len(values) - 1) // 2))
    # A point reflection continues the line beyond its ends.
    padded = np.pad(values, half, mode="reflect", reflect_type="odd")
    off = np.abs(values - median_filter(padded, size=2 * half + 1)[half:-half])
    return np.asarray(off > max(floor, OUTLIER_SPREADS * 1.4826 * float(np.median(off))))


def bridged(times_s: Float64, at_s: Float64, values: Float64) -> Float64:
    """Values at all times: straight over a short gap.

    Over a longer gap the last value is kept at first. Then the line goes to the next value within
    ``GAP_S``, and reaches it ``EARLY_S`` before the gap ends.
    """
    long = np.flatnonzero(np.diff(at_s) > GAP_S + EARLY_S)
    arrive_s = at_s[long + 1] - EARLY_S
    knots_s = np.concatenate([at_s, arrive_s - GAP_S, arrive_s])
    levels = np.concatenate([values, values[long], values[long + 1]])
    order = np.argsort(knots_s)
    return np.asarray(np.interp(times_s, knots_s[order], levels[order]))
