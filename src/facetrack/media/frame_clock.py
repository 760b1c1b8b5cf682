"""Numbers and times the frames that a decoder gives, and keeps those of a range."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Protocol, TypeVar

from facetrack.core.errors import InputError
from facetrack.core.frame_range import EPSILON_S
from facetrack.core.limits import check_limit, limits
from facetrack.core.types import VideoInfo
from facetrack.media.frame_image import Frame, FrameImage
from facetrack.media.opening import absolute
from facetrack.media.streams import VideoFile

MISSING_TAIL_S = 0.5
"""Seconds by which a stream may be shorter than its header says before it counts as cut off."""
LONGEST_FRAME_S = 3600.0
"""Seconds from one frame to the next, beyond which the time is taken for damage."""

DAMAGE = (ValueError, LookupError, ArithmeticError)
"""What PyAV and NumPy raise beside libav's own errors, for fields that make no sense."""


class Decoded(Protocol):
    """What the clock reads of a decoded frame; times in units of the file's ``time_base``."""

    @property
    def pts(self) -> int | None:
        """Presentation time; None in raw streams."""
        ...

    @property
    def duration(self) -> int | None:
        """None or 0 where it is unknown."""
        ...


DecodedT = TypeVar("DecodedT", bound=Decoded)


class FrameClock:
    """Gives ``Frame`` objects with index and time; remembers how many it gave and to what time."""

    def __init__(self, file: VideoFile) -> None:
        self._file = file
        self._limits = limits()  # frames are read in a thread of their own
        self._frame_count = 0
        self._end_s = 0.0
        self._jump_s = 0.0  # which times after a jump are too late

    def frames(
        self,
        decoded: Generator[DecodedT],
        image_of: Callable[[DecodedT], FrameImage],
        start_s: float,
        duration_s: float | None,
    ) -> Iterator[Frame]:
        """Frames whose time is in ``[start_s, start_s + duration_s)``.

        Times rise, so no frame is left out after the first one and their numbers have no gaps. What
        a damaged file makes the decoder raise ends the frames with a warning.

        Raises:
            MemoryError: when there is no memory for a frame.

        Args:
            decoded: every frame of the file in presentation order; it is closed at the end of the
                range, or when the returned iterator is closed.
            image_of: gives the upright image of a frame; called for frames of the range only.
            start_s: seconds from the stream's start.
            duration_s: seconds; None: to the end of the file.
        """
        end_s = float("inf") if duration_s is None else start_s + duration_s
        last_s: float | None = None
        try:
            with closing(decoded):
                for index, frame in enumerate(decoded):
                    time_s = last_s = self._time_s(frame, last_s)
                    if time_s < start_s - EPSILON_S:
                        continue
                    if time_s >= end_s - EPSILON_S:
                        return
                    where = self._file.path
                    check_limit(f"{where}: its frames", "frames", index + 1, at=self._limits)
                    check_limit(f"{where}: its seconds", "film_s", time_s, at=self._limits)
                    image = image_of(frame)
                    self._frame_count += 1
                    self._end_s = time_s + self._frame_duration_s(frame)
                    yield Frame(index, time_s, image)
        except DAMAGE as error:
            self._file.warnings.append(f"reading stopped early: {error}")
            return
        self._check_whole(last_s or 0.0)

    def info(self, rotation: int) -> VideoInfo:
        """Facts of the file, and of the frames given so far.

        Args:
            rotation: degrees by which stored frames are turned counter-clockwise.

        Raises:
            InputError: when no frame was given.
        """
        if not self._frame_count:
            why = "; ".join(self._file.warnings)
            why = why or "no frame in it, or none in the time range asked for"
            raise InputError(f"{self._file.path}: {why}")
        facts = self._file.facts()
        turned = rotation % 180 == 90
        return VideoInfo(
            path=absolute(self._file.path),  # so that clips can be made from any folder
            width=facts.height if turned else facts.width,
            height=facts.width if turned else facts.height,
            rotation=rotation,
            frame_count=self._frame_count,
            fps=facts.fps,
            duration_s=self._end_s,
            has_audio=facts.has_audio,
            video_codec=facts.codec,
        )

    def _time_s(self, frame: Decoded, last_s: float | None) -> float:
        """Seconds from the stream's start, later than ``last_s``, the time of the frame before.

        A damaged file may give a frame an earlier time, or one of another month: but all that
        follows relies on times that rise, and a clip would show one frame for weeks.
        """
        if frame.pts is None:  # raw streams carry no times: count by the frame rate
            return 0.0 if last_s is None else last_s + self._usual_s()
        time_s = self._file.seconds(frame.pts)
        if last_s is None:
            self._jump_s = time_s if abs(time_s) > LONGEST_FRAME_S else 0.0
            return time_s - self._jump_s
        if 0 < time_s - last_s <= LONGEST_FRAME_S:
            return time_s
        if 0 < time_s - self._jump_s - last_s <= LONGEST_FRAME_S:
            return time_s - self._jump_s
        if time_s <= last_s:
            return last_s + float(self._file.time_base)
        next_s = last_s + self._usual_s()
        self._jump_s = time_s - next_s
        return next_s

    def _usual_s(self) -> float:
        """Seconds from a frame to the next by the frame rate."""
        return min(float(1 / self._file.facts().fps), LONGEST_FRAME_S)

    def _frame_duration_s(self, frame: Decoded) -> float:
        if frame.duration and (said_s := float(frame.duration * self._file.time_base)) > 0:
            return min(said_s, LONGEST_FRAME_S)
        return self._usual_s()

    def _check_whole(self, last_s: float) -> None:
        expected_s = self._file.header_duration_s()
        have_s = self._end_s if self._frame_count else max(0.0, last_s)
        if expected_s is not None and have_s < expected_s - MISSING_TAIL_S:
            self._file.warnings.append(
                f"cut off: {have_s:.2f} s of {expected_s:.2f} s could be read"
            )
