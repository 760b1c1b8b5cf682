"""What the sources that read a file through libav's demuxer share, however frames are decoded."""

from fractions import Fraction
from pathlib import Path

from facetrack.core.closing import Closing
from facetrack.core.types import BEST_STREAMS, StreamChoice
from facetrack.media.frame_clock import FrameClock
from facetrack.media.frame_index import FrameIndex, frame_index
from facetrack.media.streams import VideoFile


class FileSource(Closing):
    """The parts of ``VideoSource`` that follow from the file alone.

    Args:
        streams: the streams that are wanted.

    Raises:
        InputError: on opening, when the file is missing, holds no video, or has no such stream.
    """

    def __init__(self, path: Path, streams: StreamChoice = BEST_STREAMS) -> None:
        self._file = VideoFile(path, streams)
        self._clock = FrameClock(self._file)
        self.path = path
        self.warnings = self._file.warnings
        self.notes = self._file.notes

    def close(self) -> None:
        """Closes the file and ends the decoder's threads."""
        self._file.close()

    @property
    def fps(self) -> Fraction:
        """See ``VideoSource``."""
        return self._file.facts().fps

    @property
    def damaged(self) -> bool:
        """Whether a part of the video could not be read so far."""
        return bool(self._file.warnings)

    def expected_frames(self, start_s: float, duration_s: float | None) -> int | None:
        """See ``VideoSource``."""
        return self._file.expected_frames(start_s, duration_s)

    def index(self) -> FrameIndex | None:
        """The frames by number; None where reading must begin at the start."""
        return frame_index(self._file)

    def key_frames(self) -> list[float]:
        """See ``VideoSource``."""
        return self._file.key_frames()
