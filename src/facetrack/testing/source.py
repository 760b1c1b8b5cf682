"""A video made of images in memory."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from facetrack.core.closing import Closing
from facetrack.core.errors import InputError
from facetrack.core.frame_range import EPSILON_S
from facetrack.core.types import Image, VideoInfo
from facetrack.media.decode import ReadFacts
from facetrack.media.frame_image import Frame, RgbImage
from facetrack.media.frame_index import FrameSpan
from facetrack.media.orientation import Orientation


class FakeVideoSource(Closing):
    """Implements ``VideoSource`` without a file and without a decoder.

    Raises:
        InputError: on opening, when there are no images.
    """

    def __init__(
        self,
        images: Sequence[Image],
        times_s: Sequence[float] | None = None,
        fps: Fraction = Fraction(25),
        rotation: int = 0,
        key_every: int = 10,
        warnings: Sequence[str] = (),
        path: Path = Path("fake.mp4"),
    ) -> None:
        """Opens the fake.

        Args:
            images: stored frames, ``(height, width, 3)`` uint8 RGB; their sizes may differ.
            times_s: presentation times in seconds, rising from 0; None: ``1 / fps`` apart.
            rotation: degrees by which the stored frames are turned counter-clockwise to stand
                upright: 0, 90, 180 or 270.
            key_every: every so many-th frame is a key frame.
            warnings: damage that reading meets.
            path: for messages and facts; no file is opened.
        """
        if not images:
            raise InputError(f"{path}: no video in it")
        self.path = path
        self.fps = fps
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._images = images
        self._times_s = [float(i / fps) for i in range(len(images))]
        if times_s is not None:
            self._times_s = list(times_s)
        self._rotation = rotation % 360
        self._key_every = key_every
        self._damage = list(warnings)
        self._given = 0
        self._last: Frame | None = None
        self.closed = False
        """Whether ``close`` was called."""

    def close(self) -> None:
        """See ``VideoSource``."""
        self.closed = True

    @property
    def damaged(self) -> bool:
        """Whether there were warnings so far."""
        return bool(self.warnings)

    def expected_frames(self, start_s: float, duration_s: float | None) -> int | None:
        """The exact number."""
        return len(self._in_range(start_s, duration_s))

    def key_frames(self) -> list[float]:
        """Times of every ``key_every``-th frame."""
        return self._times_s[:: self._key_every]

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """See ``VideoSource``; images are ``RgbImage``."""
        self.warnings += self._damage
        for index in self._in_range(start_s, duration_s):
            upright = np.rot90(self._images[index], self._rotation // 90)
            frame = Frame(index, self._times_s[index], RgbImage(np.ascontiguousarray(upright)))
            self._given += 1
            self._last = frame
            yield frame

    def frames_numbered(self, span: FrameSpan) -> Iterator[Frame]:
        """See ``VideoSource``."""
        numbers = range(span.first, span.first + len(span.ticks))
        return (frame for frame in self.frames() if frame.index in numbers)

    def read_facts(self) -> ReadFacts:
        """See ``VideoSource``."""
        turns = self._rotation // 90
        end_s = 0.0 if self._last is None else self._end_s(self._last.index)
        return ReadFacts(end_s, Orientation(turns, False))

    def queue_bytes(self, asked: int) -> int:
        """``asked``."""
        return asked

    def info(self) -> VideoInfo:
        """See ``VideoSource``; the size is that of the last frame read."""
        last = self._last
        if last is None:
            raise InputError(f"{self.path}: no frame in it, or none in the range asked for")
        height, width = last.image.shape
        return VideoInfo(
            path=self.path.absolute(),
            width=width,
            height=height,
            rotation=self._rotation,
            frame_count=self._given,
            fps=self.fps,
            duration_s=self._end_s(last.index),
            has_audio=False,
            video_codec="fake",
        )

    def _in_range(self, start_s: float, duration_s: float | None) -> list[int]:
        end_s = float("inf") if duration_s is None else start_s + duration_s
        return [
            i
            for i, time_s in enumerate(self._times_s)
            if start_s - EPSILON_S <= time_s < end_s - EPSILON_S
        ]

    def _end_s(self, index: int) -> float:
        """When the frame ends: at the next one's time."""
        if index + 1 < len(self._times_s):
            return self._times_s[index + 1]
        return self._times_s[index] + float(1 / self.fps)
