"""Times of decoded frames that rise from frame to frame, whatever the file says.

All that follows relies on it: tables are searched by time, and a clip's frames have lengths. A time
is taken from the file as libav's best effort does: the presentation time, or the decoding time
where that is missing or has risen more often. A frame whose time does not rise is put between its
neighbours, for which a few frames are held back.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from facetrack.media.joins import BACK_S, LONGEST_FRAME_S
from facetrack.media.streams import VideoFile

FAR_S = 1.0
"""Seconds from a frame to the next, from which the frame after it is waited for: where that one is
earlier, the time between was wrong."""
MOST_HELD = 16
"""Frames that are held back at most; where more do not rise, the file's times are shifted."""


class Decoded(Protocol):
    """What is read of a decoded frame; times in units of the file's ``time_base``."""

    @property
    def pts(self) -> int | None:
        """Presentation time; None in raw streams."""
        ...

    @property
    def dts(self) -> int | None:
        """Decoding time; None where it is unknown."""
        ...

    @property
    def duration(self) -> int | None:
        """None or 0 where it is unknown."""
        ...


DecodedT = TypeVar("DecodedT", bound=Decoded)


class RisingTimes:
    """Gives the frames of one pass through a file with their times."""

    def __init__(self, file: VideoFile) -> None:
        self._file = file
        self.corrected = False
        """Whether a frame so far has another time than its presentation time in the file."""
        self.local = True
        """Whether each time so far follows from the frames around it alone."""
        self._last_s: float | None = None
        self._shift_s = 0.0
        self._last_pts = self._last_dts = -(2**63)
        self._faulty_pts = self._faulty_dts = 0

    def of(self, decoded: Iterable[DecodedT]) -> Generator[tuple[DecodedT, float]]:
        """Frames in the given order, each with its time in seconds from the stream's start.

        Args:
            decoded: frames in the order of the decoder.
        """
        held: list[tuple[DecodedT, float | None]] = []
        far: tuple[DecodedT, float] | None = None
        for frame in decoded:
            said_s = self._said_s(frame)
            if far is not None:
                last_s, frame_then = self._last_s, far[0]
                if said_s is not None and last_s is not None and last_s < said_s < far[1]:
                    held.append((frame_then, None))
                else:
                    yield from self._placed(held, far[1])
                    yield self._risen(*far)
                    held = []
                far = None
            self.local = self.local and frame.pts is not None
            if said_s is None and not held:
                self.corrected = True
                yield self._risen(frame, self._usual_next_s())
            elif said_s is None or (self._last_s is not None and said_s <= self._last_s):
                held.append((frame, said_s))
                if len(held) >= MOST_HELD:
                    yield from self._shifted(held)
                    held = []
            elif self._last_s is not None and said_s - self._last_s > FAR_S:
                far = frame, said_s
            else:
                yield from self._placed(held, said_s)
                yield self._risen(frame, said_s)
                held = []
        yield from self._placed(held, None if far is None else far[1])
        if far is not None:
            yield self._risen(*far)

    def _said_s(self, frame: Decoded) -> float | None:
        """The time that the file says; None: it says none, or one of another month."""
        best = self._best(frame.pts, frame.dts)
        if best is None:
            return None
        said_s = self._file.seconds(best) + self._shift_s
        if self._last_s is not None and said_s - self._last_s > LONGEST_FRAME_S:
            self.local = False
            return None
        if best != frame.pts:
            self.corrected, self.local = True, False
        return said_s

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        """libav's ``best_effort_timestamp``, which PyAV does not give."""
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts

    def _risen(self, frame: DecodedT, time_s: float) -> tuple[DecodedT, float]:
        self._last_s = time_s
        return frame, time_s

    def _placed(
        self, held: Sequence[tuple[DecodedT, float | None]], until_s: float | None
    ) -> Generator[tuple[DecodedT, float]]:
        """Puts held frames after the last one, evenly where there is little room."""
        if not held:
            return
        self.corrected = True
        begin_s, step_s = self._last_s, self.usual_s()
        if begin_s is None:  # the first frame says none, and another comes after it
            begin_s = -step_s
        if until_s is not None:
            step_s = min(step_s, (until_s - begin_s) / (len(held) + 1))
        for i, (frame, _) in enumerate(held, start=1):
            yield self._risen(frame, begin_s + i * step_s)

    def _shifted(
        self, held: Sequence[tuple[DecodedT, float | None]]
    ) -> Generator[tuple[DecodedT, float]]:
        """Goes on with the times of the held frames from here, if they lie well before."""
        self.corrected, self.local = True, False
        before_s, said_s = self._last_s, held[-1][1]
        for frame, _ in held:
            yield self._risen(frame, self._usual_next_s())
        if said_s is not None and before_s is not None and said_s < before_s - BACK_S:
            self._shift_s += self._usual_next_s() - self.usual_s() - said_s

    def _usual_next_s(self) -> float:
        return 0.0 if self._last_s is None else self._last_s + self.usual_s()

    def usual_s(self) -> float:
        """Seconds from a frame to the next by the frame rate."""
        return min(float(1 / self._file.facts().fps), LONGEST_FRAME_S)
