"""Reads a video through PyAV (libav): every frame once, in presentation order, upright."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from facetrack.core.types import BEST_STREAMS, StreamChoice, VideoInfo
from facetrack.media.decoded_frames import decoded_frames
from facetrack.media.file_source import FileSource
from facetrack.media.frame_image import YUV420, Frame, FrameImage, RgbImage, YuvImage
from facetrack.media.orientation import UPRIGHT, Orientation
from facetrack.media.planar import truly_named


class PyavSource(FileSource):
    """Implements ``VideoSource`` on the CPU.

    Frames stay in the decoder's planes (``YuvImage``), or are RGB where those cannot be used as
    they are.

    Args:
        streams: the streams that are wanted.

    Raises:
        InputError: on opening, when the file is missing, holds no video, or has no such stream.
    """

    def __init__(self, path: Path, streams: StreamChoice = BEST_STREAMS) -> None:
        super().__init__(path, streams)
        self._file.stream.thread_type = "AUTO"
        self._orientation = UPRIGHT

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """Frames whose time is in ``[start_s, start_s + duration_s)``.

        All frames before ``start_s`` are decoded too: only then is ``Frame.index`` exact for every
        codec.
        """
        return self._clock.frames(decoded_frames(self._file), self._upright, start_s, duration_s)

    def queue_bytes(self, asked: int) -> int:
        """``asked``: frames lie in the memory that the settings speak of."""
        return asked

    def info(self) -> VideoInfo:
        """See ``VideoSource``."""
        return self._clock.info(self._orientation)

    def _upright(self, frame: VideoFrame) -> FrameImage:
        self._orientation = Orientation.of(frame)
        return upright(frame)


def upright(frame: VideoFrame) -> FrameImage:
    """The image of a decoded frame, turned and mirrored as the file says.

    The decoder's planes are used as they are where the format is 4:2:0 of 8 bits and nothing is
    turned; else the image is converted to RGB.
    """
    orientation, frame = Orientation.of(frame), truly_named(frame)
    if frame.format.name in YUV420 and orientation == UPRIGHT:
        return YuvImage(frame)
    image = orientation.upright(frame.to_ndarray(format="rgb24"))
    return RgbImage(np.ascontiguousarray(image))
