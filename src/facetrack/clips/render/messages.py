"""What goes between the process that has the clips planned and those that write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.plan.clip import Clip
from facetrack.core.types import Image
from facetrack.media.codecs import Encoder


class Overlay(Protocol):
    """Draws on the source instead of cutting out of it; travels to other processes."""

    def drawn(
        self, image: Image, frame: int, shown: Sequence[tuple[int, NDArray[np.float64]]]
    ) -> Image:
        """A copy of the upright source frame with everything on it.

        Args:
            shown: of each panel the person, and the crop: centre x, centre y, width and height.
        """
        ...


@dataclass(frozen=True)
class ClipJob:
    """One clip, and where it goes."""

    number: int
    """Its place in the plan."""
    clip: Clip
    path: Path
    partial: Path
    """Name of the file until it is whole."""
    wav: Path | None
    partial_wav: Path | None

    def remove_partials(self) -> None:
        """What was begun under other names goes."""
        for left in (self.partial, self.partial_wav):
            if left is not None:
                left.unlink(missing_ok=True)


@dataclass(frozen=True)
class Task:
    """Clips that share a decode."""

    source: Path
    jobs: tuple[ClipJob, ...]
    encoder: Encoder
    wav_rate: int | None
    overlay: Overlay | None


@dataclass(frozen=True)
class Outcome:
    """What came of one clip."""

    number: int
    frames: int = 0
    samples: int = 0
    """Of each channel of its sound, before the codec's own framing."""
    error: str | None = None
