"""The messages between the process that plans the clips and the workers that write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facetrack.clips.plan.clip import Clip
from facetrack.core.types import BEST_STREAMS, NO_CORRECTION, Clock, Image, StreamChoice
from facetrack.media.codecs import Encoder


class FrameOverlay(Protocol):
    """Draws on whole source frames, which are then shown instead of crops; can be pickled."""

    def size_of(self, source: tuple[int, int]) -> tuple[int, int]:
        """Width and height of what is drawn on frames of a width and height: its pixels are
        square."""
        ...

    def drawn(
        self, image: Image, frame: int, shown: Sequence[tuple[int, NDArray[np.float64]]]
    ) -> Image:
        """A copy of the image with everything drawn on it: ``(height, width, 3)`` uint8 RGB, of the
        size that ``size_of`` gives.

        Args:
            image: the upright source frame, ``(height, width, 3)`` uint8 RGB.
            frame: its number in the source, from 0.
            shown: for each panel the person, and the crop: centre x, centre y, width and height.
        """
        ...


@dataclass(frozen=True)
class ClipJob:
    """One clip, and the files that are written for it."""

    number: int
    """Its position in the plan."""
    clip: Clip
    path: Path
    partial: Path
    """The file's name until it is complete."""
    wav: Path | None
    partial_wav: Path | None

    def remove_partials(self) -> None:
        """Removes the incomplete files."""
        for left in (self.partial, self.partial_wav):
            if left is not None:
                left.unlink(missing_ok=True)


@dataclass(frozen=True)
class RenderTask:
    """Clips that one worker writes from one decode of the source."""

    source: Path
    jobs: tuple[ClipJob, ...]
    encoder: Encoder
    wav_rate: int | None
    """Samples a second of the WAV files; None: none are written."""
    overlay: FrameOverlay | None
    most_bytes: int
    """Bytes that the file of a clip may have."""
    streams: StreamChoice = BEST_STREAMS
    """The source's streams that are read."""
    clock: Clock = NO_CORRECTION
    """Of the source, as the analysis found it."""


@dataclass(frozen=True)
class Outcome:
    """The result of one clip."""

    number: int
    """The clip's position in the plan."""
    frames: int = 0
    samples: int = 0
    """Samples of each audio channel, before the codec's own framing."""
    sound_error: str | None = None
    """What of the sound could not be read, and is silent; None: nothing."""
    error: str | None = None
    """Why the clip could not be written; None: it was."""
