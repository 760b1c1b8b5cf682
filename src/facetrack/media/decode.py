"""Reads a video through PyAV (libav): every frame once, in presentation order, upright."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame

from facetrack.core.cpu_threads import cpu_threads
from facetrack.core.types import BEST_STREAMS, SQUARE, StreamChoice, VideoInfo
from facetrack.media.decoded_frames import decoded_frames
from facetrack.media.deinterlace import Deinterlacer
from facetrack.media.file_source import FileSource
from facetrack.media.frame_image import YUV420, Frame, FrameImage, RgbImage, YuvImage
from facetrack.media.frame_index import FrameSpan, as_expected, frames_from
from facetrack.media.orientation import UPRIGHT, Orientation
from facetrack.media.planar import truly_named
from facetrack.media.tone_mapping import hdr_of, sdr

DEINTERLACED = (
    "is interlaced; its frames are deinterlaced, in clips and face crops too "
    "(--deinterlace off leaves them as they are)"
)
MAPPED = "thumbnails and clips are mapped to the standard range (--hdr keep: clips stay in HDR)"


class ReadFacts(NamedTuple):
    """What reading frames tells of a film."""

    end_s: float
    """When the last frame ends, in seconds."""
    orientation: Orientation
    hdr: str | None = None
    """As ``VideoInfo.hdr``."""
    deinterlaced: bool = False
    notes: list[str] = []  # noqa: RUF012 - it is not changed
    """As ``VideoSource.notes``."""

    def after(self, earlier: "ReadFacts") -> "ReadFacts":
        """The same, with what was met in earlier frames."""
        return self._replace(
            hdr=earlier.hdr or self.hdr,
            deinterlaced=earlier.deinterlaced or self.deinterlaced,
            notes=[*earlier.notes, *(note for note in self.notes if note not in earlier.notes)],
        )


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
        if (threads := cpu_threads()) is not None:
            self._file.stream.codec_context.thread_count = threads
        self._orientation = UPRIGHT
        self._hdr: str | None = None
        self._was_deinterlaced = False
        self._threads = cpu_threads() or 0
        self._deinterlacer = Deinterlacer(self._threads) if streams.deinterlace else None

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """Frames whose time is in ``[start_s, start_s + duration_s)``.

        All frames before ``start_s`` are decoded too: only then is ``Frame.index`` exact for every
        codec.
        """
        decoded = decoded_frames(self._file)
        if self._deinterlacer is not None:
            decoded = self._deinterlacer.of(decoded)
        return self._clock.frames(decoded, self._upright, start_s, duration_s)

    def frames_numbered(self, span: FrameSpan) -> Iterator[Frame]:
        """The frames of a span.

        Raises:
            NotAsIndexed: when the decoder gives other frames than the span says.
        """
        decoded = frames_from(self._file, span)
        if self._deinterlacer is not None:
            decoded = self._deinterlacer.of(decoded)
        return self._clock.numbered(as_expected(decoded, span, self._file), self._upright, span)

    def queue_bytes(self, asked: int) -> int:
        """``asked``: frames lie in the memory that the settings speak of."""
        return asked

    def read_facts(self) -> ReadFacts:
        """What is known of the film after some of its frames were read by number."""
        return ReadFacts(
            self._clock.end_s, self._orientation, self._hdr, self._deinterlaced, list(self.notes)
        )

    def told(self, sizes: Counter[tuple[int, int]], read: ReadFacts, to_the_end: bool) -> None:
        """Takes what others have read of the same film, so that ``info`` and ``warnings`` are as if
        it had been read here.

        Args:
            sizes: height and width of the frames, and how many have them.
            read: of the last frame.
            to_the_end: whether that is the last one of the film.
        """
        self._orientation, self._hdr = read.orientation, read.hdr
        self._was_deinterlaced = read.deinterlaced
        self.notes += [note for note in read.notes if note not in self.notes]
        self._clock.told(sizes, read.end_s, to_the_end)

    def info(self) -> VideoInfo:
        """See ``VideoSource``."""
        info = self._clock.info(self._orientation)
        return replace(info, hdr=self._hdr, deinterlaced=self._deinterlaced)

    @property
    def _deinterlaced(self) -> bool:
        met = self._deinterlacer is not None and self._deinterlacer.met
        return met or self._was_deinterlaced

    def _upright(self, frame: VideoFrame) -> FrameImage:
        if self._deinterlaced and DEINTERLACED not in self.notes:
            self.notes.append(DEINTERLACED)
        self._orientation = Orientation.of(frame)
        if self._hdr is None and (kind := hdr_of(frame)) is not None:
            self._hdr = kind
            self.notes.append(f"is in HDR ({kind.upper()}); {MAPPED}")
        return upright(frame, self._threads, self._file.facts().pixel_aspect)


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
