"""Splits a video into shots: hard cuts are found by the rules of ``cut_rules``."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrack.media.frame_image import Frame, stacked
from facetrack.tracking.blocks import blocks_of, contrasts, reaches
from facetrack.tracking.cadence import REACH, REPEATED, images, shown_frames, since_freeze
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
    """Takes every frame in order; decides on each one ``LAG`` frames later, or where images are
    shown for several frames and the frame may follow a cut, as many times later."""

    def __init__(self) -> None:
        self._frames: list[ComparedFrame] = []
        """The newest frames, at least all that the decisions need."""
        self._pushed = 0
        """Number of frames so far."""
        self._undecided = 0
        """Number of the newest frames on which nothing is decided."""
        self._shown: int | None = None
        """For how many frames images are shown around the oldest of these, once it is known."""

    def push(self, frames: Sequence[Frame]) -> list[ShotDecision]:
        """Takes the next frames; the decisions on all that now have enough frames after them."""
        decisions: list[ShotDecision] = []
        for i in range(0, len(frames), BATCH):
            del self._frames[: -3 * REACH]
            for frame in self._compared(frames[i : i + BATCH]):
                if frame.step <= REPEATED and self._frames:
                    last = self._frames[-1]
                    frame.repeated = last.repeated or last
                self._frames.append(frame)
                self._pushed += 1
                self._undecided += 1
                if self._undecided > LAG:
                    decisions += self._decided(last=False)
        return decisions

    def flush(self) -> list[ShotDecision]:
        """The decisions on the last frames of the video."""
        return list(self._decided(last=True))

    def _decided(self, last: bool) -> Iterator[ShotDecision]:
        """``last``: whether no frame follows."""
        while self._undecided > (0 if last else LAG):
            i = len(self._frames) - self._undecided
            frame = self._frames[i]
            follows_cut = False
            if frame.step >= STANDS_OUT * still_change(frame.contrast):
                if self._shown is None and (last or self._newest_tells(i)):
                    self._shown = shown_frames(self._frames, i, last)
                if not last and (self._shown is None or self._undecided <= LAG * self._shown):
                    return
                follows_cut = self._follows_cut(i, self._shown or 1)
                self._shown = None
            frame.starts_shot = follows_cut
            self._undecided -= 1
            yield ShotDecision(follows_cut, frame.change)

    def _newest_tells(self, i: int) -> bool:
        """Whether the newest frame may tell more of how often the images around ``i`` are shown."""
        after = self._undecided - 1
        return after == LAG or after >= REACH or not self._frames[-1].repeated

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

    def _follows_cut(self, i: int, shown: int) -> bool:
        """``shown``: frames for which each image around frame ``i`` is shown."""
        frames, reach = self._frames, LAG * shown
        if shown > 1:
            near = images(frames, i, reach)
        else:
            near = [*range(max(0, i - reach), min(len(frames), i + reach + 1))]
        # From the first frame of all nothing changed.
        first = 1 if self._pushed == len(frames) and near[0] == 0 else 0
        if near[0] == i:
            near, first = [i - 1, *near], 1
        at = near.index(i)
        shown_around = [frames[k] for k in near]
        if shown == 1:
            shown_around[at] = since_freeze(frames, i)
        return is_cut(shown_around, at, first)


def _changes(images: NDArray[np.uint8]) -> list[float]:
    """Mean absolute change (of 255) from each frame to the next."""
    before, after = images[:-1], images[1:]
    change = np.maximum(before, after)
    change -= np.minimum(before, after)
    sums = change.sum(axis=1, dtype=np.uint32).astype(np.float32)
    means: list[float] = (sums / np.float32(change.shape[1])).tolist()
    return means
