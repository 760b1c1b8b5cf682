"""Finds hard cuts from how much a coarse picture changes from one frame to the next.

A cut is a change that stands out from the changes around it (so motion is none) and stays (so a
flash is none). The decision on a frame needs the ``LAG`` frames after it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from facetrack.media.picture import COARSE, Picture
from facetrack.types import Float32

LAG = 2
"""Frames after a frame that must be seen before it can be judged."""
MIN_CHANGE = 8.0
"""Mean absolute change (of 255) below which nothing is a cut, however still the surroundings."""
STANDS_OUT = 2.0
"""How many times the median change of its neighbours a cut's change is."""
STAYS = 0.25
"""Share of the change that must remain one frame later; a flash falls back below it."""
TOGETHER = 16
"""Frames whose changes are computed at once: each step on an array gives up the interpreter, and
half a megabyte stays in the processor's cache."""


class Judgement(NamedTuple):
    """Whether a frame begins a shot, and how much the picture changed."""

    starts_shot: bool
    change: float
    """Mean absolute change (of 255) of the coarse picture from the frame before."""


@dataclass(slots=True)
class _Seen:
    coarse: Float32
    change: float


class ShotDetector:
    """Feed every frame in order; answers come for the frames up to ``LAG`` back."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=2 * LAG + 1)
        # Memory taken once, for new memory costs more than the sums.
        self._coarse: Float32 = np.empty((1 + TOGETHER, *COARSE, 3), np.float32)
        self._change: Float32 = np.empty((TOGETHER, *COARSE, 3), np.float32)
        self._pushed = 0

    def push(self, pictures: Sequence[Picture]) -> list[Judgement]:
        """The next frames; answers for those that have ``LAG`` frames after them by now."""
        answers = []
        for i in range(0, len(pictures), TOGETHER):
            coarse = [picture.coarse() for picture in pictures[i : i + TOGETHER]]
            before = self._seen[-1].coarse if self._seen else coarse[0]
            for seen in map(_Seen, coarse, self._changes([before, *coarse])):
                self._seen.append(seen)
                self._pushed += 1
                if self._pushed > LAG:
                    answers.append(self._judge(len(self._seen) - 1 - LAG))
        return answers

    def flush(self) -> list[Judgement]:
        """The answers still owed after the last frame."""
        owed = min(LAG, self._pushed)
        return [self._judge(len(self._seen) - back) for back in range(owed, 0, -1)]

    def _judge(self, i: int) -> Judgement:
        return Judgement(self._is_cut(i), self._seen[i].change)

    def _is_cut(self, i: int) -> bool:
        seen = self._seen
        change = seen[i].change
        if i == 0 or change < MIN_CHANGE:
            return False
        first = max(1, i - LAG)
        around = [seen[j].change for j in range(first, min(len(seen), i + LAG + 1)) if j != i]
        if around and change < STANDS_OUT * median(around):
            return False
        # The first edge of a flash goes back one frame later, its second edge two frames back.
        around_flash = [(i - 1, i + 1), (i - 2, i)]
        return all(
            self._changes([seen[a].coarse, seen[b].coarse])[0] > STAYS * change
            for a, b in around_flash
            if a >= 0 and b < len(seen)
        )

    def _changes(self, coarse: Sequence[Float32]) -> list[float]:
        """From each picture to the next."""
        pictures = np.stack(coarse, out=self._coarse[: len(coarse)])
        change = np.subtract(pictures[:-1], pictures[1:], out=self._change[: len(coarse) - 1])
        np.abs(change, out=change)
        size = np.float32(change[0].size)
        means: list[float] = (change.reshape(len(change), -1).sum(axis=1) / size).tolist()
        return means
