"""The rules for hard cuts: changes between two frames that the motion around them does not explain.

A cut differs from other changes in four ways:

- It changes a part of the frame as large as a face. Subtitles, and the edges of a photo that grows,
  change less.
- It changes far more than any frame around it. Motion does not. More change is allowed where more
  time lies between two frames. Where all frames around change equally, by noise, means of frames
  are compared.
- It lasts for more than two frames. A flash does not.
- No motion of the whole frame explains it, as that of a shaken camera.

The decision on a frame needs the ``LAG`` frames after it.

Not found are: dissolves and fades, except through a single blended frame; cuts that do not change
nearly the whole frame, after a gap or among more than two other cuts within ``LAG`` frames; cuts
hidden by noise less than ``LAG`` frames from another cut or from an end of the video.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from facetrack.core.types import Image
from facetrack.tracking.blocks import Blocks, least_reach, reach, solid_reach
from facetrack.tracking.moved_frame import is_moved

LAG = 8
"""Frames on either side that a frame is compared with. 15 frames a second shown as 60 repeat each
frame four times: with fewer there would be no other step of a motion to compare with."""
INTERRUPTION = 2
"""Most frames of a flash, after which the frame is as before."""
EXTENT = (6, 3)
"""Least rows (of 18) and columns (of 16) of blocks that a cut changes. A face in an area of 40 % of
the height and 22 % of the width covers 7 by 3.6; two lines of subtitles cover 3 to 5 rows."""
STANDS_OUT = 3.0
"""Factor by which a cut's change exceeds the highest change around it. Measured on single takes at
most 2.7 (heads at eight times their speed), on cuts at least 3.6 (small images at a fifth of the
light)."""
STILL, STILL_OF_CONTRAST = 0.5, 0.1
"""A change (of 255) up to the first, plus this share of the contrast, counts as none. Measured on
still takes at most 0.29 of the contrast (a photo of 64 pixels that grows by whole ones), which is
less than ``STANDS_OUT`` times as much; on cuts between small images at least 0.67."""
MAX_RIVALS = 2
"""Most changes around a cut that are as high as its own: other cuts."""
AMONG_RIVALS = 6.0
"""Factor by which a cut with rivals exceeds the other changes around it."""
STRONG = 1.2
"""Least change of a cut with rivals, as a multiple of the contrast. Measured on a face that jerks
at most 1.1, on cuts three frames apart at least 1.39."""
BLENDED = 0.8
"""The frame between two changes is a blend of the frames around it if these differ by at least this
share of the sum of both changes. Around the frame between two cuts they differ by half of it."""
BLEND_EXTENT, BLEND_STRONG = (12, 8), 0.5
"""Least rows and columns that a cut through a blended frame changes, more than a head in motion,
and least change as a multiple of the contrast. Measured on 36 such cuts at least 0.74."""
SOLID = 0.3
"""Least change of each column of a cut, as a multiple of the contrast. Measured on 1160 cuts at
least 0.38; on photos that grow by whole pixels, of which two edges change, at most 0.28."""
ABOVE_NOISE = 1.3
"""Factor by which a cut among noise exceeds the highest change around it. Measured on 49 cuts at
least 1.37."""
STEADY = 1.5
"""The changes around a frame are noise if the highest is at most so many times the least.
Measured on noise at most 1.49, on motion with a peak at least 2."""
LASTS = 2.5
"""Factor by which the means of frames change more at a cut among noise than beside it. Measured on
these cuts at least 2.45, all but one 2.8; on motion that is nearly so steady at most 2."""
GAP, ONE_MISSING = 1.5, 2.2
"""A time between two frames of more than so many times the usual one is a gap. In one that is as
long as if one frame were missing, motion goes on as around it; in a longer one, it may change
anything but nearly the whole frame."""
WHOLE = (16, 10)
"""Least rows and columns that another scene changes; nothing that moves covers so many."""
ANOTHER = 0.55
"""Least change of another scene, as a multiple of the contrast. Measured on quick heads at most
0.44, on a camera that is knocked 0.58 once, on cuts at least 0.61 (a dark stage)."""
ANOTHER_AFTER_GAP = 0.7
"""The same after a gap. Measured on 5055 gaps in single takes: one above 0.7, all but three below
0.62; on 60 cuts after a gap at least 0.75."""
QUIET_FRAMES = LAG // 2
"""Least frames on either side of a cut between a quiet scene and one in quick motion."""
ABOVE_QUIET, ABOVE_BUSY, STRONGEST = 6.0, 1.2, 2.0
"""Factors by which such a cut exceeds the changes of the quiet and of the other scene, and least
change as a multiple of the contrast. Measured on one such cut in ten retimed films at least 6.9,
1.26 and 2.3."""
MIN_SHARE = 1 / 3
"""Least share of a change in a longer time that motion explains in a shorter one."""


@dataclass(slots=True)
class ComparedFrame:
    """A frame, and its change from the frame before."""

    coarse: Image
    blocks: Blocks
    contrast: float
    time_s: float
    elapsed_s: float
    change: float
    step: float
    """Change of the blocks over ``EXTENT``."""
    whole_step: float
    """The same over ``WHOLE``. It is computed for all frames at once: one by one, for the frames
    around one in motion, it took three quarters of the time (a 1080p crowd, one core)."""
    starts_shot: bool = False
    """Whether a cut was found before it."""
    repeated: "ComparedFrame | None" = None
    """The first frame that shows the same image; None: it is this one."""


def is_cut(frames: Sequence[ComparedFrame], i: int, first: int) -> bool:
    """Whether frame ``i`` follows a cut.

    ``first``: position of the first frame that has a frame before it.
    """
    contrast = _contrast(frames, i)
    still = still_change(contrast)
    around = [j for j in range(max(first, i - LAG), min(len(frames), i + LAG + 1)) if j != i]
    gap = _gap(frames[i], [frames[j] for j in around])
    after_gap = gap > ONE_MISSING
    extent = WHOLE if after_gap else EXTENT
    least = max(STANDS_OUT * still, ANOTHER_AFTER_GAP * contrast if after_gap else 0.0)
    change = _step(frames, i, extent)
    if change < least:
        return False
    explained = _explained(frames, around, i, extent)
    longer = gap if GAP < gap <= ONE_MISSING else 1.0
    by_motion = {j: change * longer for j, change in explained.items()}
    found = _stands_out(frames, i, by_motion, extent, least) or (
        not after_gap
        and (_is_above_noise(frames, i, by_motion, least) or _begins_motion(frames, i, explained))
    )
    return (
        found
        and _is_solid(frames, i, SOLID * contrast)
        and not is_moved(frames[i - 1].coarse, frames[i].coarse)
    )


def _stands_out(
    frames: Sequence[ComparedFrame],
    i: int,
    explained: dict[int, float],
    extent: tuple[int, int],
    least: float,
) -> bool:
    """Whether motion cannot explain the change at this frame, judged by the frames around it.

    ``explained``: of ``_explained``; ``least``: change that a cut has in any case.
    """
    contrast = _contrast(frames, i)
    change = _step(frames, i, extent)
    rivals = [j for j, by_motion in explained.items() if by_motion * STANDS_OUT > change]
    if len(rivals) <= MAX_RIVALS:
        others = [by_motion for j, by_motion in explained.items() if j not in rivals]
        usual = max([still_change(contrast), *others])
        if not rivals:
            return _least_change(frames, i - 1, i, extent) >= max(least, STANDS_OUT * usual)
        if not _in_a_row(i, rivals):
            blend = _blend_with(frames, i, rivals, extent)
            if blend is not None:
                is_greater = (change, i) > (_step(frames, blend, extent), blend)
                through = _least_change(frames, min(i, blend) - 1, max(i, blend), BLEND_EXTENT)
                enough = max(least, STANDS_OUT * usual, BLEND_STRONG * contrast)
                return is_greater and through >= enough
            strong = max(least, AMONG_RIVALS * usual, STRONG * contrast)
            if change >= strong and _least_change(frames, i - 1, i, extent) >= strong:
                return True
    return _is_another_scene(frames, i, list(explained), max(least, ANOTHER * contrast))


def _is_above_noise(
    frames: Sequence[ComparedFrame], i: int, explained: dict[int, float], least: float
) -> bool:
    """Whether the frames around change equally, as by noise, and the means of frames change at
    ``i``."""
    if not LAG <= i <= len(frames) - LAG:
        return False
    lowest, noise, highest = (f(explained.values()) for f in (min, median, max))
    change, above = _step(frames, i, EXTENT), max(least, ABOVE_NOISE * highest)
    if highest > STEADY * lowest or change < above:
        return False
    # The squares of noise and motion add up; noise is as far above its median as below.
    beside = max(explained[i - 1], explained[i + 1])
    moved = max(highest**2 + lowest**2 - 2 * noise**2, beside**2 - noise**2)
    if (
        change**2 - noise**2 < STANDS_OUT**2 * moved
        or _least_change(frames, i - 1, i, EXTENT) < above
    ):
        return False
    half = LAG // 2
    around = max(_lasting(frames, i - half), _lasting(frames, i + half))
    return _lasting(frames, i) >= max(least, LASTS * around)


def _begins_motion(frames: Sequence[ComparedFrame], i: int, explained: dict[int, float]) -> bool:
    """Whether a scene gives way to another one in quick motion, or the other way round."""
    contrast = _contrast(frames, i)
    if _step(frames, i, EXTENT) < STRONGEST * contrast:
        return False
    sides = [[explained[j] for j in explained if (j < i) == before] for before in (True, False)]
    if min(map(len, sides)) < QUIET_FRAMES:
        return False
    quiet, busy = sorted(map(max, sides))
    least = max(ABOVE_QUIET * max(quiet, STILL), STRONGEST * contrast)
    return (
        _step(frames, i, EXTENT) >= max(least, ABOVE_BUSY * busy)
        and _step(frames, i, WHOLE) >= ANOTHER * contrast
        and _least_change(frames, i - 1, i, EXTENT) >= least
    )


def _lasting(frames: Sequence[ComparedFrame], i: int) -> float:
    """Change from the mean of ``LAG / 2`` frames before ``i`` to that of as many from ``i`` on."""
    half = LAG // 2
    blocks = np.stack([one.blocks for one in frames[i - half : i + half]])
    before, after = blocks.reshape(2, half, *blocks.shape[1:]).sum(axis=1, dtype=np.int16)
    return float(reach(before, after, EXTENT)) / half


def _is_solid(frames: Sequence[ComparedFrame], i: int, least: float) -> bool:
    """Whether all columns change, not only the edges of a thing."""
    return solid_reach(frames[i - 1].blocks, frames[i].blocks, EXTENT) >= least


def _is_another_scene(
    frames: Sequence[ComparedFrame], i: int, around: Sequence[int], least: float
) -> bool:
    """Whether nearly the whole frame changes, and more than the frames around usually do."""
    step = _step(frames, i, WHOLE)
    if step < least:
        return False
    explained = _explained(frames, around, i, WHOLE)
    moving = [explained[j] for j in around if frames[j].step > STILL]
    least = max(least, STANDS_OUT * median(moving)) if moving else least
    if step < least:
        return False
    changed = _least_change(frames, i - 1, i, WHOLE)
    rivals = [j for j in around if explained[j] * STANDS_OUT > changed]
    return changed >= least and not _in_a_row(i, rivals)


def _contrast(frames: Sequence[ComparedFrame], i: int) -> float:
    """The higher contrast of frame ``i`` and the one before it."""
    return max(frames[i - 1].contrast, frames[i].contrast)


def still_change(contrast: float) -> float:
    """The change up to which a frame counts as still."""
    return STILL + STILL_OF_CONTRAST * contrast


def _in_a_row(i: int, rivals: Sequence[int]) -> bool:
    """Whether three frames in a row change: motion, not cuts."""
    steps = {i, *rivals}
    return any({j, j + 1, j + 2} <= steps for j in range(i - 2, i + 1))


def _gap(frame: ComparedFrame, others: Sequence[ComparedFrame]) -> float:
    """How many times as much time lies before the frame as usually before the others."""
    usual_s = median([other.elapsed_s for other in others]) if others else 0.0
    return frame.elapsed_s / usual_s if usual_s > 0 else 1.0


def _explained(
    frames: Sequence[ComparedFrame], around: Iterable[int], by: int, extent: tuple[int, int]
) -> dict[int, float]:
    """Upper limit of the change at ``by`` that motion can explain, from each frame around it."""
    elapsed_s, changes = frames[by].elapsed_s, {}
    for j in around:
        change, took_s = _step(frames, j, extent), frames[j].elapsed_s
        if took_s > elapsed_s:
            change *= max(MIN_SHARE, elapsed_s / took_s)
        changes[j] = change
    return changes


def _step(frames: Sequence[ComparedFrame], i: int, extent: tuple[int, int]) -> float:
    """Change from the previous frame; the first frame has only the one over ``EXTENT``, the
    higher."""
    return frames[i].step if extent == EXTENT or i == 0 else frames[i].whole_step


def _least_change(
    frames: Sequence[ComparedFrame], before: int, after: int, extent: tuple[int, int]
) -> float:
    """The least change from one of the last frames before a cut to one of the first after it.

    It never exceeds the step between them, so compare that first: it is already computed.
    """
    return least_reach(
        [one.blocks for one in frames[max(0, before - INTERRUPTION) : before + 1]],
        [one.blocks for one in frames[after : after + INTERRUPTION + 1]],
        extent,
    )


def _blend_with(
    frames: Sequence[ComparedFrame], i: int, rivals: Sequence[int], extent: tuple[int, int]
) -> int | None:
    """The rival next to ``i``, if the frame between both changes is a blend."""
    for j in rivals:
        if abs(j - i) == 1:
            between = min(i, j)
            through = float(reach(frames[between - 1].blocks, frames[between + 1].blocks, extent))
            if through >= BLENDED * (_step(frames, i, extent) + _step(frames, j, extent)):
                return j
    return None
