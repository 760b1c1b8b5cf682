"""Reads a video through PyAV: every frame once, in presentation order, upright.

Times are presentation times in seconds from the start of the video stream. Damage does not end
the reading: what can still be decoded comes, and ``VideoSource.warnings`` says what was wrong.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.error
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facetrack.core.errors import InputError
from facetrack.core.frame_range import EPSILON_S
from facetrack.core.types import VideoInfo
from facetrack.media.frame_image import YUV420, Frame, FrameImage, RgbImage, YuvImage
from facetrack.media.streams import open_media, video_stream

PIXEL_FORMATS = {"image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe"}


MISSING_TAIL_S = 0.5
"""How much shorter than its header says a stream may be before it counts as cut off."""


class VideoSource:
    """One video file, opened. A context manager; ``close`` may be called twice.

    Raises:
        InputError: on opening, when the file is missing or holds no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self.rotation = 0
        self._decoded = 0
        self._span_end_s = 0.0
        self._container = _open(path)
        stream = video_stream(self._container)
        if stream is None:
            self.close()
            raise InputError(f"{path}: no video in it, only sound or data; give a video file")
        self._stream: VideoStream = stream
        self._stream.thread_type = "AUTO"
        self._time_base = self._stream.time_base or Fraction(1, 1000)
        self._origin = self._stream.start_time or 0

    def __enter__(self) -> "VideoSource":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go."""
        self._container.close()

    @property
    def fps(self) -> Fraction:
        """Average frames a second, as the header says or libav guesses."""
        return self._stream.average_rate or self._stream.guessed_rate or Fraction(25)

    @property
    def damaged(self) -> bool:
        """Whether something of it could not be read so far."""
        return bool(self.warnings)

    def expected_frames(self, start_s: float, duration_s: float | None) -> int | None:
        """A guess from the header, for the progress bar alone."""
        total = self._header_duration_s()
        if total is None:
            return self._stream.frames or None
        end = total if duration_s is None else min(total, start_s + duration_s)
        return max(0, round(float(self.fps) * (end - start_s)))

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """Frames whose time is in ``[start_s, start_s + duration_s)``.

        All frames before are decoded too: only so is ``Frame.index`` exact for every codec.
        """
        end_s = float("inf") if duration_s is None else start_s + duration_s
        last_s = -1.0
        for index, frame in enumerate(self._images()):
            time_s = self._time_s(frame, last_s)
            last_s = time_s
            if time_s < start_s - EPSILON_S:
                continue
            if time_s >= end_s - EPSILON_S:
                return
            self._decoded += 1
            self._span_end_s = time_s + self._frame_duration_s(frame)
            yield Frame(index, time_s, self._upright(frame))
        self._check_whole(last_s)

    def queue_bytes(self, asked: int) -> int:
        """How many bytes of its frames may wait, where the settings ask for so many."""
        return asked

    def require_frames(self) -> None:
        """Sees to it that there was something.

        Raises:
            InputError: when reading gave no frame at all.
        """
        if self._decoded:
            return
        why = "; ".join(self.warnings) or "no frame in it, or none in the span asked for"
        raise InputError(f"{self.path}: {why}")

    def info(self) -> VideoInfo:
        """Facts of what ``frames`` gave; call it after the last frame."""
        size = self._stream.codec_context
        turned = self.rotation % 180 == 90
        return VideoInfo(
            path=self.path.absolute(),  # so that clips can be made from any folder
            width=size.height if turned else size.width,
            height=size.width if turned else size.height,
            rotation=self.rotation,
            frame_count=self._decoded,
            fps=self.fps,
            duration_s=self._span_end_s,
            has_audio=bool(self._container.streams.audio),
            video_codec=size.codec.canonical_name,
        )

    def _images(self) -> Iterator[VideoFrame]:
        """Decodes packet by packet, so that a bad packet costs its own frames and no others."""
        damaged_packets = 0
        corrupt = 0
        for packet in self._packets():
            if packet.is_corrupt:
                damaged_packets += 1
            try:
                for frame in packet.decode():
                    corrupt += frame.is_corrupt
                    yield frame
            except (av.error.InvalidDataError, av.error.FFmpegError):
                damaged_packets += 1
        if damaged_packets or corrupt:
            self.warnings.append(
                f"damaged inside: {damaged_packets} packets could not be decoded, "
                f"{corrupt} frames are flawed"
            )

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """As far as the file can be read; an empty one at the end."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError as error:
            self.warnings.append(f"reading stopped early: {error.strerror}")

    def _time_s(self, frame: VideoFrame, last_s: float) -> float:
        if frame.pts is None:  # raw streams carry no times: count by the frame rate
            return max(0.0, last_s) + float(1 / self.fps) if last_s >= 0 else 0.0
        return float((frame.pts - self._origin) * self._time_base)

    def _frame_duration_s(self, frame: VideoFrame) -> float:
        if frame.duration:
            return float(frame.duration * self._time_base)
        return float(1 / self.fps)

    def _upright(self, frame: VideoFrame) -> FrameImage:
        self.rotation = frame.rotation % 360
        return upright(frame)

    def _header_duration_s(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration * self._time_base)
        tag = self._stream.metadata.get("DURATION")  # Matroska keeps it here
        if tag:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        return None

    def _check_whole(self, last_s: float) -> None:
        expected = self._header_duration_s()
        have = self._span_end_s if self._decoded else max(0.0, last_s)
        if expected is not None and have < expected - MISSING_TAIL_S:
            self.warnings.append(f"cut off: {have:.2f} s of {expected:.2f} s could be read")


def upright(frame: VideoFrame) -> FrameImage:
    """The frame as it is to be seen: turned as its file says, its planes as they are where that
    goes."""
    if frame.format.name in YUV420 and not frame.rotation % 360:
        return YuvImage(frame)
    image = frame.to_ndarray(format="rgb24")
    return RgbImage(np.ascontiguousarray(np.rot90(image, frame.rotation % 360 // 90)))


def _open(path: Path) -> "av.container.InputContainer":
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the video files in it")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        container = open_media(path)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: not a video that can be read ({reason})") from error
    if PIXEL_FORMATS & set(container.format.name.split(",")):
        container.close()
        raise InputError(f"{path}: is a picture, not a video")
    return container
