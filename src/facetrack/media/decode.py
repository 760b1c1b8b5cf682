"""Reads a video through PyAV (libav): every frame once, in presentation order, upright."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from facetrack.core.types import BEST_STREAMS, SQUARE, StreamChoice, VideoInfo
from facetrack.media.decoded_frames import decoded_frames
from facetrack.media.deinterlace import Deinterlacer
from facetrack.media.file_source import FileSource
from facetrack.media.frame_image import YUV420, Frame, FrameImage, RgbImage, YuvImage
from facetrack.media.orientation import UPRIGHT, Orientation
from facetrack.media.planar import truly_named
from facetrack.media.tone_mapping import hdr_of, sdr

DEINTERLACED = (
    "is interlaced; its frames are deinterlaced, in clips and face crops too "
    "(--deinterlace off leaves them as they are)"
)
MAPPED = "thumbnails and clips are mapped to the standard range (--hdr keep: clips stay in HDR)"


class PyavSource(FileSource):
    """Implements ``VideoSource`` on the CPU.

    Frames stay in the decoder's planes (``YuvImage``), or are RGB where those cannot be used as
    they are.

    Args:
        streams: the streams that are wanted, and whether interlaced frames are made whole.

    Raises:
        InputError: on opening, when the file is missing, holds no video, or has no such stream.
    """

    def __init__(self, path: Path, streams: StreamChoice = BEST_STREAMS) -> None:
        super().__init__(path, streams)
        self._file.stream.thread_type = "AUTO"
        self._orientation = UPRIGHT
        self._hdr: str | None = None
        self._deinterlacer = Deinterlacer(threads=0) if streams.deinterlace else None

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """Frames whose time is in ``[start_s, start_s + duration_s)``.

        All frames before ``start_s`` are decoded too: only then is ``Frame.index`` exact for every
        codec.
        """
        decoded = decoded_frames(self._file)
        if self._deinterlacer is not None:
            decoded = self._deinterlacer.of(decoded)
        return self._clock.frames(decoded, self._upright, start_s, duration_s)

    def queue_bytes(self, asked: int) -> int:
        """``asked``: frames lie in the memory that the settings speak of."""
        return asked

    def info(self) -> VideoInfo:
        """See ``VideoSource``."""
        info = self._clock.info(self._orientation)
        return replace(info, hdr=self._hdr, deinterlaced=self._deinterlaced)

    @property
    def _deinterlaced(self) -> bool:
        return self._deinterlacer is not None and self._deinterlacer.met

    def _upright(self, frame: VideoFrame) -> FrameImage:
        if self._deinterlaced and DEINTERLACED not in self.notes:
            self.notes.append(DEINTERLACED)
        self._orientation = Orientation.of(frame)
        if self._hdr is None and (kind := hdr_of(frame)) is not None:
            self._hdr = kind
            self.notes.append(f"is in HDR ({kind.upper()}); {MAPPED}")
        return upright(frame, 0, self._file.facts().pixel_aspect)


def upright(frame: VideoFrame, threads: int = 1, pixel_aspect: Fraction = SQUARE) -> FrameImage:
    """The image of a decoded frame, turned and mirrored as the file says, in the standard range.

    The decoder's planes are used as they are where the format is 4:2:0 of 8 bits and nothing is
    turned; else the image is converted to RGB.

    Args:
        threads: number of threads that may map HDR; 0: one a core.
        pixel_aspect: width / height of a pixel of the decoded frame.
    """
    orientation, frame = Orientation.of(frame), sdr(truly_named(frame), threads)
    if frame.format.name in YUV420 and orientation == UPRIGHT:
        return YuvImage(frame, float(pixel_aspect))
    image = orientation.upright(frame.to_ndarray(format="rgb24"))
    wider = 1 / pixel_aspect if orientation.swaps_axes else pixel_aspect
    return RgbImage(np.ascontiguousarray(image), float(wider))
