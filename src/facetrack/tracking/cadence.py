"""Films that show each image several times, as converted frame rates do.

Between two such frames nothing changes, whatever moves. So a motion looks like many cuts, a flash
like a shot, and the frames around a cut like stills. Such a film is judged by its images.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median, median_high

from facetrack.tracking.cut_rules import LAG, STILL, ComparedFrame

REPEATED = 1.0
"""Most change (of 255, over ``EXTENT``) of a frame that repeats the one before. Measured after
encoding on 4,700 repeats at most 3.1, on all but one in a hundred 1.0."""
MOST_REPEATS = 6
"""Most frames that an image is shown for,"""
LONGEST_S = 0.21
"""and most seconds: fewer than five images a second are stills, each of which may be a shot."""
CLEARLY = 3.0
"""Factor by which another image changes more than a repeated one; less is the noise of a still."""
FEWEST_REPEATS = 0.3
"""Share of repeats among the frames around from which this is looked at: 24 images shown as 30
frames have a fifth, as 36 a third."""
MIN_IMAGES = 5
"""Least images from which a number of frames is called usual."""
FREEZE = 4
"""Least frames that an image is shown for in a freeze."""
REACH = LAG * MOST_REPEATS
"""Most frames before and after a frame that the decision on it needs."""
REGULAR = 2 / 3
"""Least share of the images that are shown for the usual number of frames, or one more or less."""


def shown_frames(frames: Sequence[ComparedFrame], i: int, last: bool) -> int | None:
    """For how many frames each image around frame ``i`` is shown; 1 where this is not regular.

    ``last``: whether no frame follows these. None: too few images follow to say so yet.
    """
    beside = [frame.repeated is not None for frame in frames[max(0, i - LAG) : i + LAG + 1]]
    if sum(beside) < FEWEST_REPEATS * len(beside):
        return 1
    near = frames[max(0, i - REACH) : i + REACH + 1]
    starts = _image_starts(near)
    at = starts.index(min(i, REACH))
    if not last and len(starts) - 1 - at < MIN_IMAGES and len(frames) - i <= REACH:
        return None
    runs = [b - a for a, b in pairwise(starts)][max(0, at - LAG) : at + LAG]
    usual = _usual_run(runs, near)
    return usual if len(images(frames, i, LAG * usual)) >= MIN_IMAGES else 1


def _usual_run(runs: list[int], frames: Sequence[ComparedFrame]) -> int:
    """The number of frames for which images are usually shown, from those of each; else 1."""
    if len(runs) < MIN_IMAGES or max(runs) == 1:
        return 1
    usual = median_high(runs)
    regular = sum(abs(run - usual) <= 1 for run in runs)
    seconds = usual * median(frame.elapsed_s for frame in frames)
    if usual > MOST_REPEATS or seconds > LONGEST_S or regular < REGULAR * len(runs):
        return 1
    stands, moves = (
        [frame.step for frame in frames if (frame.repeated is None) == moves]
        for moves in (False, True)
    )
    return usual if median(moves) >= CLEARLY * median(stands) else 1


def images(frames: Sequence[ComparedFrame], around: int, reach: int) -> list[int]:
    """Positions of the frames that show another image than the one before, up to ``reach`` frames
    from frame ``around``, which is one of them."""
    first = max(0, around - reach)
    return [first + k for k in _image_starts(frames[first : around + reach + 1])]


def since_freeze(frames: Sequence[ComparedFrame], i: int) -> ComparedFrame:
    """Frame ``i``; where it goes on after a freeze, with the time since the freeze began.

    A freeze begins within a motion of the whole frame and ends in one; a title or a photo begins
    with a cut, and shows no motion.
    """
    frame, last = frames[i], frames[i - 1]
    frozen = last.repeated
    if frozen is None or frozen.starts_shot or frozen.whole_step <= STILL:
        return frame
    after = [frames[k].whole_step for k in range(i + 1, min(i + 4, len(frames)))]
    elapsed_s = frame.time_s - frozen.time_s
    if elapsed_s < FREEZE * frame.elapsed_s or not after or median(after) <= STILL:
        return frame
    return replace(frame, elapsed_s=elapsed_s)


def _image_starts(frames: Sequence[ComparedFrame]) -> list[int]:
    return [k for k, frame in enumerate(frames) if not frame.repeated]
