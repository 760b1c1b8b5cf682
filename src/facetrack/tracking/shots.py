"""Finds hard cuts: changes between two frames that nothing around them explains.

A cut changes a part of the frame as large as a face (subtitles and the edges of a photo that grows
do not), far more than any frame around it changes (motion does not), and for longer than two frames
(a flash does not). The longer the time between two frames, the more change it explains. Where all
frames around change alike, by noise, means of frames are compared. The decision on a frame needs
the ``LAG`` frames after it.

What it does not find: dissolves and fades, but for a single blended frame; behind a gap, or among
more than two other cuts within ``LAG`` frames, cuts that do not change nearly the whole frame; cuts
that noise hides, nearer than ``LAG`` frames to another or to an end of the film.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrack.core.types import Image
from facetrack.media.frame_image import Frame
from facetrack.tracking.blocks import (
    Blocks,
    blocks_of,
    contrasts,
    least_reach,
    reach,
    reaches,
    solid_reach,
)

LAG = 8
"""Frames on either side that a frame is compared with. 15 frames a second shown as 60 repeat each
frame four times: with fewer, no motion would be seen around a step of it."""
INTERRUPTION = 2
"""Most frames of a flash: what was before comes back after them."""
EXTENT = (6, 3)
"""Rows (of 18) and columns (of 16) of blocks that a cut changes. A face in a place of 40 % of the
height and 22 % of the width covers 7 by 3.6; two lines of subtitles cover 3 to 5 rows."""
STANDS_OUT = 3.0
"""How many times the highest change around it a cut's change is. Measured on single takes at most
2.7 (heads at eight times their speed), on cuts at least 3.6 (small images at a fifth of the light).
"""
STILL, STILL_OF_CONTRAST = 0.5, 0.1
"""Change (of 255) that counts as none: so much, and this share of the frame's contrast. Measured on
still takes at most 0.29 of the contrast (a photo of 64 pixels that grows by whole ones), which is
less than ``STANDS_OUT`` times as much; on cuts between small images at least 0.67."""
MOST_RIVALS = 2
"""Changes as high as a cut's that may be around it, being cuts themselves."""
AMONG_RIVALS = 6.0
"""How many times the other changes around it a cut's is then."""
STRONG = 1.2
"""How many times the contrast a cut's change is then. Measured on a face that jerks at most 1.1, on
cuts three frames apart at least 1.39."""
BLENDED = 0.8
"""Two changes in a row pass through a blend of what was before and after when together they lead
this share of their sum away from it. Two cuts in a row lead half of it away."""
BLEND_EXTENT, BLEND_STRONG = (12, 8), 0.5
"""Rows and columns that a cut through a blended frame changes, more than a head in motion, and how
many times the contrast. Measured on 36 such cuts at least 0.74."""
SOLID = 0.3
"""How many times the contrast a cut changes each of its columns. Measured on 1160 cuts at least
0.38; on photos that grow by whole pixels, of which two edges change, at most 0.28."""
ABOVE_NOISE = 1.3
"""How many times the highest change around it a cut's is among noise. Measured on 49 cuts at least
1.37."""
STEADY = 1.5
"""How many times the least change around a frame the highest one is where all of it is noise.
Measured on noise at most 1.49, on motion with a peak at least 2."""
LASTS = 2.5
"""How many times the change of the mean of frames is at a cut what it is beside it. Measured on
these cuts at least 2.45, all but one 2.8; on motion that is nearly so steady at most 2."""
GAP = 1.5
"""Times the usual time between frames from which on motion may have changed anything but the whole
frame."""
WHOLE = (16, 10)
"""Rows and columns that another scene changes, whatever moves in front of it."""
ANOTHER = 0.55
"""How many times the contrast another scene changes there. Measured on quick heads at most 0.44, on
a camera that is knocked 0.58 once, on cuts at least 0.61 (a dark stage)."""
ANOTHER_AFTER_GAP = 0.7
"""The same behind a gap. Measured on 5055 gaps in single takes: one above 0.7, all but three below
0.62; on 60 cuts behind a gap at least 0.75."""
LEAST_SHARE = 1 / 3
"""Of the change in a longer time, what is explained in a frame's own at least."""
TOGETHER = 64
"""Frames that are compared in one step: a tenth less time than 16, and a quarter of the calls that
give up the interpreter."""


class ShotDecision(NamedTuple):
    """Whether a frame begins a shot, and how much the frame changed."""

    starts_shot: bool
    change: float
    """Mean absolute change (of 255) of the coarse frame from the frame before."""


@dataclass(slots=True)
class _ComparedFrame:
    """A frame as it is compared, and what changed from the frame before."""

    coarse: Image
    blocks: Blocks
    contrast: float
    time_s: float
    elapsed_s: float
    change: float
    step: float
    """Change of the blocks over ``EXTENT``."""
    whole_step: float
    """The same over ``WHOLE``. A frame in motion is compared with those around it, whose changes
    took three quarters of the time when they were made one by one (a 1080p crowd, one core)."""


class ShotDetector:
    """Feed every frame in order; answers come for the frames up to ``LAG`` back."""

    def __init__(self) -> None:
        self._seen: deque[_ComparedFrame] = deque(maxlen=2 * LAG + 1)
        self._pushed = 0

    def push(self, frames: Sequence[Frame]) -> list[ShotDecision]:
        """The next frames; answers for those that have ``LAG`` frames after them by now."""
        answers = []
        for i in range(0, len(frames), TOGETHER):
            for seen in self._compared(frames[i : i + TOGETHER]):
                self._seen.append(seen)
                self._pushed += 1
                if self._pushed > LAG:
                    answers.append(self._judge(len(self._seen) - 1 - LAG))
        return answers

    def flush(self) -> list[ShotDecision]:
        """The answers still owed after the last frame."""
        owed = min(LAG, self._pushed)
        return [self._judge(len(self._seen) - back) for back in range(owed, 0, -1)]

    def _compared(self, frames: Sequence[Frame]) -> Iterable[_ComparedFrame]:
        coarse = [frame.image.coarse() for frame in frames]
        times_s = [frame.time_s for frame in frames]
        last = self._seen[-1] if self._seen else None
        images = _flat([last.coarse if last else coarse[0], *coarse])
        elapsed_s = [b - a for a, b in pairwise([last.time_s if last else times_s[0], *times_s])]
        blocks = blocks_of(images)
        return map(
            _ComparedFrame,
            coarse,
            blocks[1:],
            contrasts(blocks[1:]),
            times_s,
            elapsed_s,
            _changes(images),
            *(steps.tolist() for steps in reaches(blocks[:-1], blocks[1:], (EXTENT, WHOLE))),
        )

    def _judge(self, i: int) -> ShotDecision:
        seen = self._seen[i]
        least = STANDS_OUT * _still(seen.contrast)
        # The first frame of all, from which nothing changed, is in the queue until it is full.
        first = 1 if self._pushed <= len(self._seen) else 0
        return ShotDecision(seen.step >= least and _is_cut(list(self._seen), i, first), seen.change)


def _is_cut(seen: Sequence[_ComparedFrame], i: int, first: int) -> bool:
    """Of a frame that is not the first of all; ``first`` is the first one with a change."""
    contrast = _contrast(seen, i)
    still = _still(contrast)
    around = [j for j in range(max(first, i - LAG), min(len(seen), i + LAG + 1)) if j != i]
    after_gap = _is_after_gap(seen[i], [seen[j] for j in around])
    extent = WHOLE if after_gap else EXTENT
    least = max(STANDS_OUT * still, ANOTHER_AFTER_GAP * contrast if after_gap else 0.0)
    change = _step(seen, i, extent)
    if change < least:
        return False
    explained = _explained(seen, around, i, extent)
    found = _stands_out(seen, i, explained, extent, least) or (
        not after_gap and _is_above_noise(seen, i, explained, least)
    )
    return found and _is_solid(seen, i, SOLID * contrast)


def _stands_out(
    seen: Sequence[_ComparedFrame],
    i: int,
    explained: dict[int, float],
    extent: tuple[int, int],
    least: float,
) -> bool:
    """Whether what is explained by motion around a frame does not explain its change."""
    contrast = _contrast(seen, i)
    change = _step(seen, i, extent)
    rivals = [j for j, by_motion in explained.items() if by_motion * STANDS_OUT > change]
    if len(rivals) <= MOST_RIVALS:
        others = [by_motion for j, by_motion in explained.items() if j not in rivals]
        calm = max([_still(contrast), *others])
        if not rivals:
            return _apart(seen, i - 1, i, extent) >= max(least, STANDS_OUT * calm)
        if not _in_a_row(i, rivals):
            blend = _blend_with(seen, i, rivals, extent)
            if blend is not None:
                is_greater = (change, i) > (_step(seen, blend, extent), blend)
                through = _apart(seen, min(i, blend) - 1, max(i, blend), BLEND_EXTENT)
                enough = max(least, STANDS_OUT * calm, BLEND_STRONG * contrast)
                return is_greater and through >= enough
            strong = max(least, AMONG_RIVALS * calm, STRONG * contrast)
            if change >= strong and _apart(seen, i - 1, i, extent) >= strong:
                return True
    return _is_another_scene(seen, i, list(explained), max(least, ANOTHER * contrast))


def _is_above_noise(
    seen: Sequence[_ComparedFrame], i: int, explained: dict[int, float], least: float
) -> bool:
    """Whether all frames around change alike, as by noise, and the means of frames do at ``i``."""
    if not LAG <= i <= len(seen) - LAG:
        return False
    lowest, noise, highest = (f(explained.values()) for f in (min, median, max))
    change, above = _step(seen, i, EXTENT), max(least, ABOVE_NOISE * highest)
    if highest > STEADY * lowest or change < above:
        return False
    # Noise and motion add by their squares; noise alone lies as far above its median as below.
    beside = max(explained[i - 1], explained[i + 1])
    moved = max(highest**2 + lowest**2 - 2 * noise**2, beside**2 - noise**2)
    if change**2 - noise**2 < STANDS_OUT**2 * moved or _apart(seen, i - 1, i, EXTENT) < above:
        return False
    half = LAG // 2
    around = max(_lasting(seen, i - half), _lasting(seen, i + half))
    return _lasting(seen, i) >= max(least, LASTS * around)


def _lasting(seen: Sequence[_ComparedFrame], i: int) -> float:
    """Change from the mean of the ``LAG / 2`` frames before to that of as many from ``i`` on."""
    half = LAG // 2
    blocks = np.stack([one.blocks for one in seen[i - half : i + half]])
    before, after = blocks.reshape(2, half, *blocks.shape[1:]).sum(axis=1, dtype=np.int16)
    return float(reach(before, after, EXTENT)) / half


def _is_solid(seen: Sequence[_ComparedFrame], i: int, least: float) -> bool:
    """Whether the columns change alike, not the edges of a thing alone."""
    return solid_reach(seen[i - 1].blocks, seen[i].blocks, EXTENT) >= least


def _is_another_scene(
    seen: Sequence[_ComparedFrame], i: int, around: Sequence[int], least: float
) -> bool:
    """Whether nearly the whole frame changes, more than it usually does here."""
    step = _step(seen, i, WHOLE)
    if step < least:
        return False
    explained = _explained(seen, around, i, WHOLE)
    moving = [explained[j] for j in around if seen[j].step > STILL]
    least = max(least, STANDS_OUT * median(moving)) if moving else least
    if step < least:
        return False
    changed = _apart(seen, i - 1, i, WHOLE)
    rivals = [j for j in around if explained[j] * STANDS_OUT > changed]
    return changed >= least and not _in_a_row(i, rivals)


def _contrast(seen: Sequence[_ComparedFrame], i: int) -> float:
    return max(seen[i - 1].contrast, seen[i].contrast)


def _still(contrast: float) -> float:
    """Change that counts as none."""
    return STILL + STILL_OF_CONTRAST * contrast


def _in_a_row(i: int, rivals: Sequence[int]) -> bool:
    """Whether three frames in a row change: motion, not cuts."""
    steps = {i, *rivals}
    return any({j, j + 1, j + 2} <= steps for j in range(i - 2, i + 1))


def _is_after_gap(seen: _ComparedFrame, others: Sequence[_ComparedFrame]) -> bool:
    usual_s = median([other.elapsed_s for other in others]) if others else 0.0
    return 0 < GAP * usual_s < seen.elapsed_s


def _explained(
    seen: Sequence[_ComparedFrame], around: Iterable[int], by: int, extent: tuple[int, int]
) -> dict[int, float]:
    """What may change in the time of ``by`` where the change of each one around it is motion."""
    elapsed_s, changes = seen[by].elapsed_s, {}
    for j in around:
        change, took_s = _step(seen, j, extent), seen[j].elapsed_s
        if took_s > elapsed_s:
            change *= max(LEAST_SHARE, elapsed_s / took_s)
        changes[j] = change
    return changes


def _step(seen: Sequence[_ComparedFrame], i: int, extent: tuple[int, int]) -> float:
    """Change from the frame before over ``EXTENT`` or ``WHOLE``; of the first one over ``EXTENT``,
    which is more."""
    return seen[i].step if extent == EXTENT or i == 0 else seen[i].whole_step


def _apart(
    seen: Sequence[_ComparedFrame], before: int, after: int, extent: tuple[int, int]
) -> float:
    """The least change from one of the last frames before to one of the first after; at most the
    step between them, which costs nothing to look at first."""
    return least_reach(
        [one.blocks for one in seen[max(0, before - INTERRUPTION) : before + 1]],
        [one.blocks for one in seen[after : after + INTERRUPTION + 1]],
        extent,
    )


def _blend_with(
    seen: Sequence[_ComparedFrame], i: int, rivals: Sequence[int], extent: tuple[int, int]
) -> int | None:
    """The other one of two changes in a row, where the frame between them is a blend."""
    for j in rivals:
        if abs(j - i) == 1:
            between = min(i, j)
            through = float(reach(seen[between - 1].blocks, seen[between + 1].blocks, extent))
            if through >= BLENDED * (_step(seen, i, extent) + _step(seen, j, extent)):
                return j
    return None


def _flat(coarse: Sequence[Image]) -> NDArray[np.uint8]:
    """One frame a row."""
    # NumPy would give up the interpreter for each frame, and have to win it back.
    joined = np.frombuffer(b"".join(image.tobytes() for image in coarse), np.uint8)
    return joined.reshape(len(coarse), -1)


def _changes(images: NDArray[np.uint8]) -> list[float]:
    """From each frame to the next."""
    before, after = images[:-1], images[1:]
    change = np.maximum(before, after)
    change -= np.minimum(before, after)
    sums = change.sum(axis=1, dtype=np.uint32).astype(np.float32)
    means: list[float] = (sums / np.float32(change.shape[1])).tolist()
    return means
