"""Writes frames and sound to an mp4 or mov file that can be played while it is downloaded."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facetrack.core.types import SQUARE, Image
from facetrack.media.codecs import Encoder
from facetrack.media.opening import create_media
from facetrack.media.planar import (
    FULL_RANGE,
    HLG,
    PLANAR,
    PQ,
    UprightPlanes,
    fill_padding,
    is_full_range,
    matrix_of,
)
from facetrack.media.priority import usual_priority
from facetrack.media.sound import Samples, int16
from facetrack.media.tone_mapping import BT709, hdr_of, sdr

TIME_BASE = Fraction(1, 120_000)
"""Seconds of one unit of the frames' times: the frame durations at 23.976, 25, 29.97, 50 and 59.94
frames/s and milliseconds are whole numbers of it."""

SOUND_BITS = 96_000
"""Bits a second for each channel of the sound."""


@dataclass(frozen=True)
class ColorInfo:
    """The colours that a player must know; numbers as in H.273."""

    full_range: bool
    """Whether samples go from 0 to the largest value."""
    matrix: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: VideoFrame, keeps_hdr: bool = False) -> "ColorInfo":
        """The colours of clips that begin with a decoded frame: its own, or BT.709 where it is in
        HDR.

        Where the frame does not say its matrix, the one that players assume for the source's size
        is taken: a clip, which has another size, would be shown in other colours without it.
        What must be converted gets the limited range.

        Args:
            keeps_hdr: whether a frame in HDR keeps its colours too.
        """
        if not keeps_hdr and hdr_of(frame) is not None:
            return cls(False, BT709, BT709, BT709)
        return cls(
            is_full_range(frame) and frame.format.name in PLANAR,
            matrix_of(frame),
            int(frame.color_primaries),
            int(frame.color_trc),
        )

    def planes_of(self, frame: VideoFrame) -> UprightPlanes:
        """The upright planes of a decoded frame, which may be of other colours or another format
        than the frames before, in these colours."""
        if self.transfer not in (PQ, HLG):
            frame = sdr(frame)
        return UprightPlanes.of(frame, self.matrix, self.full_range)

    def image_of(self, image: Image, pix_fmt: str) -> VideoFrame:
        """A frame of a pixel format in these colours.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
        """
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        return frame.reformat(
            format=pix_fmt,
            dst_colorspace=self.matrix,
            dst_color_range="JPEG" if self.full_range else "MPEG",
        )

    def mark(self, frame: VideoFrame) -> None:
        """Says these colours of a frame: some encoders, as that of ProRes, look there alone."""
        frame.colorspace, frame.color_range = self.matrix, FULL_RANGE if self.full_range else 1
        frame.color_primaries, frame.color_trc = self.primaries, self.transfer


class ClipWriter:
    """One file that is written. A context manager; leaving it without an error finishes the file.

    Raises:
        FFmpegError: from any call, when the encoder or the disk fails.
    """

    def __init__(
        self,
        path: Path,
        encoder: Encoder,
        size: tuple[int, int],
        fps: Fraction,
        color: ColorInfo,
        sound: tuple[int, str] | None,
        metadata: Mapping[str, str],
    ) -> None:
        """Opens the file and the encoders.

        Args:
            size: width and height in pixels; even.
            fps: average frames a second, for the header; each frame has its own time.
            sound: sample rate and layout; None: no sound.
            metadata: tags of the container.
        """
        self._color = color
        self._container = create_media(path, options={"movflags": "+faststart"})
        self._container.metadata.update(metadata)
        video = self._container.add_stream(encoder.name, rate=fps)
        assert isinstance(video, VideoStream)
        self._video = video
        self._video.width, self._video.height = size
        self._video.pix_fmt = encoder.pix_fmt
        self._video.options = dict(encoder.options)
        self._video.time_base = TIME_BASE
        context = self._video.codec_context
        context.time_base = TIME_BASE
        context.flags |= Flags.frame_duration  # else the last frame gets the average duration
        context.thread_count = 1  # clips are encoded in parallel, one process a core
        context.color_range = FULL_RANGE if color.full_range else 1
        context.colorspace = color.matrix
        context.color_primaries = color.primaries
        context.color_trc = color.transfer
        context.sample_aspect_ratio = SQUARE
        if encoder.tag is not None:
            context.codec_tag = encoder.tag
        self._audio: AudioStream | None = None
        if sound is not None:
            rate, layout = sound
            audio = self._container.add_stream(encoder.sound, rate=rate, layout=layout)
            assert isinstance(audio, AudioStream)
            audio.bit_rate = SOUND_BITS * audio.layout.nb_channels
            self._audio = audio
        self.samples = 0
        """Samples of each channel written so far."""
        self.bytes = 0
        """Bytes of encoded frames and sound written so far."""
        try:
            with usual_priority():
                context.open()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            with suppress(av.error.FFmpegError):  # the first error is the one to report
                self._container.close()
            return
        try:
            self._mux(self._video.encode(None))
            if self._audio is not None:
                self._mux(self._audio.encode(None))
        finally:
            self._container.close()

    def write_frame(self, frame: VideoFrame, pts: int, duration: int) -> None:
        """Encodes a frame of the encoder's pixel format and size; times in ``TIME_BASE``.

        The same frames give the same bytes, whatever the memory around them held.
        """
        fill_padding(frame)
        self._color.mark(frame)
        frame.pts = pts
        frame.time_base = TIME_BASE
        frame.duration = duration
        self._mux(self._video.encode(frame))

    def _mux(self, packets: "Sequence[Packet[Any]]") -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)

    def write_sound(self, samples: Samples) -> None:
        """Encodes samples that follow those written before; in the rate and layout of the file."""
        assert self._audio is not None
        rate, layout = self._audio.rate, self._audio.layout.name
        if self._audio.codec_context.name == "aac":
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        else:
            frame = AudioFrame.from_ndarray(int16(samples), "s16", layout)
        frame.sample_rate = rate
        frame.pts = self.samples
        frame.time_base = Fraction(1, rate)
        self.samples += samples.shape[1]
        self._mux(self._audio.encode(frame))
