"""Splits a video into shots: hard cuts are found by the rules of ``cut_rules``."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrack.media.frame_image import Frame, stacked
from facetrack.tracking.blocks import blocks_of, contrasts, reaches
from facetrack.tracking.cut_rules import (
    EXTENT,
    LAG,
    STANDS_OUT,
    WHOLE,
    ComparedFrame,
    is_cut,
    still_change,
)

BATCH = 64
"""Frames that are compared in one step: a tenth less time than 16, and a quarter of the calls that
give up the interpreter."""


class ShotDecision(NamedTuple):
    """Whether a frame begins a shot, and how much the frame changed."""

    starts_shot: bool
    change: float
    """Mean absolute change (of 255) of the coarse frame from the frame before."""


class ShotDetector:
    """Takes every frame in order; decides on each one ``LAG`` frames later."""

    def __init__(self) -> None:
        self._frames: deque[ComparedFrame] = deque(maxlen=2 * LAG + 1)
        self._pushed = 0
        """Number of frames so far."""

    def push(self, frames: Sequence[Frame]) -> list[ShotDecision]:
        """Takes the next frames; the decisions on all that now have ``LAG`` frames after them."""
        decisions = []
        for i in range(0, len(frames), BATCH):
            for frame in self._compared(frames[i : i + BATCH]):
                self._frames.append(frame)
                self._pushed += 1
                if self._pushed > LAG:
                    decisions.append(self._decide(len(self._frames) - 1 - LAG))
        return decisions

    def flush(self) -> list[ShotDecision]:
        """The decisions on the last frames of the video."""
        undecided = min(LAG, self._pushed)
        return [self._decide(len(self._frames) - back) for back in range(undecided, 0, -1)]

    def _compared(self, frames: Sequence[Frame]) -> Iterable[ComparedFrame]:
        coarse = [frame.image.coarse() for frame in frames]
        times_s = [frame.time_s for frame in frames]
        last = self._frames[-1] if self._frames else None
        images = stacked([last.coarse if last else coarse[0], *coarse]).reshape(len(frames) + 1, -1)
        elapsed_s = [b - a for a, b in pairwise([last.time_s if last else times_s[0], *times_s])]
        blocks = blocks_of(images)
        return map(
            ComparedFrame,
            coarse,
            blocks[1:],
            contrasts(blocks[1:]),
            times_s,
            elapsed_s,
            _changes(images),
            *(steps.tolist() for steps in reaches(blocks[:-1], blocks[1:], (EXTENT, WHOLE))),
        )

    def _decide(self, i: int) -> ShotDecision:
        """On the frame at position ``i``."""
        frame = self._frames[i]
        least = STANDS_OUT * still_change(frame.contrast)
        # The first frame of all, from which nothing changed, is in the queue until it is full.
        first = 1 if self._pushed <= len(self._frames) else 0
        follows_cut = frame.step >= least and is_cut(list(self._frames), i, first)
        return ShotDecision(follows_cut, frame.change)


def _changes(images: NDArray[np.uint8]) -> list[float]:
    """Mean absolute change (of 255) from each frame to the next."""
    before, after = images[:-1], images[1:]
    change = np.maximum(before, after)
    change -= np.minimum(before, after)
    sums = change.sum(axis=1, dtype=np.uint32).astype(np.float32)
    means: list[float] = (sums / np.float32(change.shape[1])).tolist()
    return means
