"""Faces that one end of a stretch alone shows, followed frame by frame until they are lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from facetrack.core.types import Float32
from facetrack.detection.mtcnn.cascade import SURE
from facetrack.detection.temporal.between import FaceInterval, Found
from facetrack.detection.temporal.redetect import Observation, Redetector
from facetrack.media.frame_image import FrameImage

PATIENCE = 1
"""Frames in a row in which a face may go unseen before it counts as lost."""
LEAP = 0.45
"""Of its size, how far a face whose motion is unknown is looked for around its place."""


@dataclass
class Chain:
    """A face on its way through a stretch."""

    interval: int
    seen: Observation
    at: int
    """Position in the stretch of the frame looked at last."""
    end: int
    """Position at which it ends in any case."""
    step: int
    """1 forward, -1 backward."""
    velocity: Float32 | None = None
    """``(4,)`` change of the box a step; None: not known yet."""
    missed: int = field(default=0, init=False)

    @property
    def expected(self) -> Observation:
        if self.velocity is None:
            return self.seen
        return self.seen.moved(self.velocity * np.float32(1 + self.missed))

    def saw(self, seen: Observation) -> None:
        step = (seen.box - self.seen.box) / np.float32(1 + self.missed)
        known = step if self.velocity is None else self.velocity
        self.velocity = np.float32(0.5) * (known + step)
        self.seen, self.missed = seen, 0


def from_both_ends(span: FaceInterval) -> list[Chain]:
    """Forward from its first sighting and backward from its last."""
    velocity = (span.last.box - span.first.box) / np.float32(span.end - span.start)
    return [
        Chain(span.interval, span.first, span.start, span.end, 1, velocity),
        Chain(span.interval, span.last, span.end, span.start, -1, -velocity),
    ]


def followed(
    redetector: Redetector, image: Callable[[int, int], FrameImage], chains: list[Chain]
) -> Iterator[Found]:
    """What is seen on the way; ``image``: that of a position in a stretch."""
    while chains:
        for chain in chains:
            chain.at += chain.step
        chains = [c for c in chains if c.at != c.end]
        looks = redetector.refined(
            [image(c.interval, c.at) for c in chains], [c.expected for c in chains]
        )
        leapt = _leapt(redetector, image, [c for c, s in zip(chains, looks, strict=True) if not s])
        for chain, look in zip(chains, looks, strict=True):
            seen = look or leapt.get(id(chain))
            if seen is None:
                chain.missed += 1
            else:
                chain.saw(seen)
                yield chain.interval, chain.at, seen
        chains = [c for c in chains if c.missed <= PATIENCE]


def _leapt(
    redetector: Redetector, image: Callable[[int, int], FrameImage], lost: list[Chain]
) -> dict[int, Observation]:
    """Faces whose motion is not known yet, found farther away; by the id of their chain."""
    lost = [c for c in lost if c.velocity is None]
    directions = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    places = []
    for chain in lost:
        size = LEAP * (chain.seen.box[2:] - chain.seen.box[:2])
        places += [chain.seen.moved(np.tile(size * d, 2).astype(np.float32)) for d in directions]
    looks = redetector.looked([image(c.interval, c.at) for c in lost for _ in directions], places)
    found = {}
    for i, chain in enumerate(lost):
        best = max(looks[i * len(directions) :][: len(directions)], key=lambda s: s.score)
        if best.score >= SURE:
            found[id(chain)] = best
    return found
