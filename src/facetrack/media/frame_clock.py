"""Numbers and times the frames that a decoder gives, and keeps those of a range."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from facetrack.core.errors import InputError
from facetrack.core.frame_range import EPSILON_S
from facetrack.core.limits import check_limit, limits
from facetrack.core.types import Clock, VideoInfo
from facetrack.media.frame_image import Frame, FrameImage
from facetrack.media.frame_index import FrameSpan
from facetrack.media.joins import LONGEST_FRAME_S
from facetrack.media.opening import absolute
from facetrack.media.orientation import Orientation
from facetrack.media.rising_times import Decoded, DecodedT, RisingTimes
from facetrack.media.streams import VideoFile

MISSING_TAIL_S = 0.5
"""Seconds by which a stream may be shorter than its header says before it counts as cut off."""
NOTED_S = 1.0
"""Seconds by which the film may last otherwise than its container says, without a word."""
MOST_NAMED = 5
"""Places that a line names at most."""

DAMAGE = (ValueError, LookupError, ArithmeticError)
"""What PyAV and NumPy raise beside libav's own errors, for fields that make no sense."""


class FrameClock:
    """Gives ``Frame`` objects with index and time; remembers how many it gave and to what time."""

    def __init__(self, file: VideoFile) -> None:
        self._file = file
        self._limits = limits()  # frames are read in a thread of their own
        self._times = RisingTimes(file)
        self._sizes: Counter[tuple[int, int]] = Counter()
        """Height and width of the frames given so far."""
        self._end_s = 0.0
        self._read_to_end = False

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
        last_s = 0.0
        try:
            with closing(decoded):
                for index, (frame, time_s) in enumerate(self._times.of(decoded)):
                    last_s = time_s
                    if time_s < start_s - EPSILON_S:
                        continue
                    if time_s >= end_s - EPSILON_S:
                        return
                    where = self._file.path
                    check_limit(f"{where}: its frames", "frames", index + 1, at=self._limits)
                    check_limit(f"{where}: its seconds", "film_s", time_s, at=self._limits)
                    image = image_of(frame)
                    self._sizes[image.shape] += 1
                    self._end_s = time_s + self._frame_duration_s(frame)
                    yield Frame(index, time_s, image)
        except DAMAGE as error:
            self._file.warnings.append(f"reading stopped early: {error}")
            return
        self._read_to_end = True
        self._check_whole(last_s)

    def numbered(
        self,
        decoded: Generator[DecodedT],
        image_of: Callable[[DecodedT], FrameImage],
        span: FrameSpan,
    ) -> Iterator[Frame]:
        """Frames that are known by number.

        Args:
            decoded: the frames of the span; it is closed in the end.
            image_of: gives the upright image of a frame.
            span: of the file.
        """
        with closing(decoded):
            for i, frame in enumerate(decoded):
                time_s = float(span.times_s[i])
                self._end_s = time_s + self._frame_duration_s(frame)
                yield Frame(span.first + i, time_s, image_of(frame))

    @property
    def end_s(self) -> float:
        """When the last frame that was given ends, in seconds."""
        return self._end_s

    def told(self, sizes: Counter[tuple[int, int]], end_s: float, to_the_end: bool) -> None:
        """Takes what others have read of the file, as if this clock had given these frames.

        Args:
            sizes: height and width of the frames, and how many have them.
            end_s: when the last one ends, in seconds.
            to_the_end: whether it is the last one of the film.
        """
        self._sizes, self._end_s = sizes, end_s
        if to_the_end:
            self._read_to_end = True
            self._check_whole(end_s)

    def info(self, orientation: Orientation) -> VideoInfo:
        """Facts of the file, and of the frames given so far.

        Args:
            orientation: how stored frames are turned to stand upright.

        Raises:
            InputError: when no frame was given.
        """
        if not self._sizes:
            why = "; ".join(self._file.warnings)
            why = why or "no frame in it, or none in the time range asked for"
            raise InputError(f"{self._file.path}: {why}")
        facts = self._file.facts()
        ((height, width), _) = self._sizes.most_common(1)[0]
        return VideoInfo(
            path=absolute(self._file.path),  # so that clips can be made from any folder
            width=width,
            height=height,
            rotation=orientation.degrees,
            frame_count=self._sizes.total(),
            fps=facts.fps,
            duration_s=self._end_s,
            has_audio=facts.audio_stream is not None,
            video_codec=facts.codec,
            clock=self.facts(),
            video_stream=facts.video_stream,
            audio_stream=facts.audio_stream,
            mirrored=orientation.mirrored,
            pixel_aspect=1 / facts.pixel_aspect if orientation.swaps_axes else facts.pixel_aspect,
        )

    def facts(self) -> Clock:
        """How the times of the frames so far follow from those in the file.

        Where a part of the file was not read, its times may be those of the frames that were.
        """
        unknown = self._file.may_jump and not self._read_to_end
        joins = self._file.joins
        corrected = self._times.corrected or unknown or bool(joins)
        return Clock(corrected, corrected and self._times.local and not (unknown or joins), joins)

    def _frame_duration_s(self, frame: Decoded) -> float:
        if frame.duration and (said_s := float(frame.duration * self._file.time_base)) > 0:
            return min(said_s, LONGEST_FRAME_S)
        return self._times.usual_s()

    def _check_whole(self, last_s: float) -> None:
        header_s = self._file.header_duration_s()
        have_s = self._end_s if self._sizes else max(0.0, last_s)
        if header_s is not None and have_s < header_s - MISSING_TAIL_S:
            self._file.warnings.append(f"cut off: {have_s:.2f} s of {header_s:.2f} s could be read")
            return
        said_s = self._file.container_duration_s() if header_s is None else header_s
        if said_s is not None and abs(have_s - said_s) > NOTED_S:
            places = ", ".join(f"{join.at_s:.2f} s" for join in self._file.joins[:MOST_NAMED])
            why = f"; its times begin anew or jump at {places}" if places else ""
            self._file.notes.append(
                f"the film lasts {have_s:.2f} s, its container says {said_s:.2f} s{why}"
            )
