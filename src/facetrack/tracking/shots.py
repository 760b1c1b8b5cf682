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

from facetrack.media.picture import Picture
from facetrack.types import Image

LAG = 2
"""Frames after a frame that must be seen before it can be judged."""
MIN_CHANGE = 8.0
"""Mean absolute change (of 255) below which nothing is a cut, however still the surroundings."""
STANDS_OUT = 2.0
"""How many times the median change of its neighbours a cut's change is."""
STAYS = 0.25
"""Share of the change that must remain one frame later; a flash falls back below it."""
TOGETHER = 16
"""Frames that are compared by one step; their coarse pictures stay in the processor's cache."""


class Judgement(NamedTuple):
    """Whether a frame begins a shot, and how much the picture changed."""

    starts_shot: bool
    change: float
    """Mean absolute change (of 255) of the coarse picture from the frame before."""


@dataclass(slots=True)
class _Seen:
    coarse: Image
    change: float


class ShotDetector:
    """Feed every frame in order; answers come for the frames up to ``LAG`` back."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=2 * LAG + 1)
        self._pushed = 0

    def push(self, pictures: Sequence[Picture]) -> list[Judgement]:
        """The next frames; answers for those that have ``LAG`` frames after them by now."""
        answers = []
        for i in range(0, len(pictures), TOGETHER):
            coarse = [picture.coarse() for picture in pictures[i : i + TOGETHER]]
            before = self._seen[-1].coarse if self._seen else coarse[0]
            for seen in map(_Seen, coarse, _changes([before, *coarse])):
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
            _changes([seen[a].coarse, seen[b].coarse])[0] > STAYS * change
            for a, b in around_flash
            if a >= 0 and b < len(seen)
        )


def _changes(coarse: Sequence[Image]) -> list[float]:
    """From each picture to the next."""
    # NumPy would give up the interpreter for each picture, and have to win it back.
    pictures = np.frombuffer(b"".join(c.tobytes() for c in coarse), np.uint8).reshape(
        len(coarse), -1
    )
    before, after = pictures[:-1], pictures[1:]
    change = np.maximum(before, after)
    change -= np.minimum(before, after)
    sums = change.sum(axis=1, dtype=np.uint32).astype(np.float32)
    means: list[float] = (sums / np.float32(change.shape[1])).tolist()
    return means
