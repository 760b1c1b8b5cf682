"""Opens the video of a media file: its facts, its packets, and what is wrong with it."""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from facetrack.core.closing import Closing
from facetrack.core.errors import InputError
from facetrack.core.limits import check_limit, limits
from facetrack.core.types import BEST_STREAMS, SQUARE, WIDEST_PIXEL, Join, StreamChoice
from facetrack.media.choosing import notes_on, packets_of, sound_stream, video_stream
from facetrack.media.joins import SteadyTimes
from facetrack.media.opening import is_url, open_media

CLOCK_TIME = re.compile(r"([0-9]{1,6}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,12})?)")
"""Hours, minutes and seconds, as 00:01:30.040000000."""
MOST_PIXELS = 2**31 - 1
"""The most that libav's option can say."""
UNTIMED = {"avi"}
"""libav's names of the containers that hold decoding times alone; libav's presentation times of
them are a guess."""


class StreamFacts(NamedTuple):
    """What the container and the decoder say of a video stream."""

    width: int
    """Of the stored frame in pixels, before any rotation."""
    height: int
    fps: Fraction
    """Average frames a second, as the header says or libav guesses."""
    codec: str
    """libav's canonical name, as ``h264``."""
    video_stream: int
    """Number of the video stream in the file, from 0."""
    audio_stream: int | None
    """Number of the audio stream that goes with it; None: none that can be decoded."""
    pixel_aspect: Fraction
    """Width / height of a pixel of the stored frame."""


class VideoFile(Closing):
    """An opened file and its video stream: packets, facts, and warnings about what was damaged.

    Decodes nothing; the implementations of ``VideoSource`` are built on it.

    Args:
        streams: the streams that are wanted.

    Raises:
        InputError: on opening, when the file is missing, holds no video, or has no such stream.
    """

    def __init__(self, path: Path, streams: StreamChoice = BEST_STREAMS) -> None:
        self.path = path
        self.warnings: list[str] = []
        """One line for each kind of damage met so far."""
        self._container = _open_video(path)
        try:
            stream = video_stream(self._container, path, streams.video)
            if stream is None:
                raise InputError(f"{path}: no video in it that can be decoded; give a video file")
            pixels = stream.codec_context.width * stream.codec_context.height
            check_limit(f"{path}: pixels of its frame", "frame_pixels", pixels)
            sound = sound_stream(self._container, path, streams.audio, stream)
            self.notes = notes_on(self._container, path, stream, sound, streams)
            """One line for each thing that surprises and is no damage."""
        except (InputError, av.error.FFmpegError):
            self._container.close()
            raise
        # A frame that is larger than the header says is not decoded either.
        stream.codec_context.options = {"max_pixels": str(min(limits().frame_pixels, MOST_PIXELS))}
        self._stream: VideoStream | None = stream
        self._audio_stream = None if sound is None else sound.index
        self._last_facts: StreamFacts | None = None
        self.time_base = stream.time_base or Fraction(1, 1000)
        """Seconds of one unit of the packets' times."""
        self.origin = stream.start_time or 0
        """The stream's start in units of ``time_base``: all times in seconds count from there."""
        context = stream.codec_context
        self._timeless_packets = holds_decoding_times(self._container)
        self.untimed = self._timeless_packets and bool(context.has_b_frames)
        """Whether the file says no presentation times of packets."""
        self._times = self._steady_times()
        self._sought = False

    @property
    def joins(self) -> tuple[Join, ...]:
        """Where the times of the packets read so far begin anew or jump."""
        return tuple(self._times.joins)

    @property
    def may_jump(self) -> bool:
        """Whether the container is of a kind in which times may begin anew anywhere."""
        return bool(Flags(self._container.format.flags) & Flags.ts_discont)

    def has_index(self, formats: Collection[str]) -> bool:
        """Whether the container is one of these, by libav's names, and says times of frames."""
        return self._container.format.name in formats and not self.untimed

    def _steady_times(self) -> SteadyTimes:
        return SteadyTimes(self.time_base, self.origin, self.facts().fps, self.may_jump)

    @property
    def stream(self) -> VideoStream:
        """The video stream.

        Raises:
            ValueError: when the file is closed.
        """
        if self._stream is None:
            raise ValueError(f"{self.path} is closed")
        return self._stream

    def close(self) -> None:
        """Closes the file; ends the decoder's threads. May be called twice."""
        if self._stream is not None:
            self._last_facts = self.facts()
        # libav joins the threads of a decoder when the last reference to its stream goes.
        self._stream = None
        self._container.close()

    def facts(self) -> StreamFacts:
        """As they are now, or were when the file was closed: a frame's size may change."""
        if self._stream is None:
            assert self._last_facts is not None
            return self._last_facts
        context = self._stream.codec_context
        return StreamFacts(
            context.width,
            context.height,
            self._stream.average_rate or self._stream.guessed_rate or Fraction(25),
            context.codec.canonical_name,
            self._stream.index,
            self._audio_stream,
            _pixel_aspect(self._stream.sample_aspect_ratio),
        )

    def seconds(self, pts: int) -> float:
        """Seconds from the stream's start, of a time in units of ``time_base``."""
        return float((pts - self.origin) * self.time_base)

    def header_duration_s(self) -> float | None:
        """Duration of the stream in seconds as the header says; None where it does not."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        tag = CLOCK_TIME.fullmatch(self.stream.metadata.get("DURATION", ""))  # Matroska's
        if tag:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        return None

    def container_duration_s(self) -> float | None:
        """Duration in seconds that the container says; None: none, or it is a guess by bytes."""
        guessed = bool(Flags(self._container.format.flags) & Flags.no_timestamps)
        if guessed or self._container.duration is None:
            return None
        return float(Fraction(self._container.duration, av.time_base))

    def expected_frames(self, start_s: float, duration_s: float | None) -> int | None:
        """Number of frames in a range, estimated from the header; None where it says nothing."""
        total_s = self.header_duration_s()
        if total_s is None:
            return self.stream.frames or None
        end_s = total_s if duration_s is None else min(total_s, start_s + duration_s)
        return max(0, round(float(self.facts().fps) * (end_s - start_s)))

    def seek(self, time_s: float) -> None:
        """Goes to a key frame before a time in seconds, from where times are as the file says."""
        self._sought = True
        with suppress(av.error.FFmpegError):  # then reading begins at the start
            at = self.origin + round(time_s / self.time_base)
            self._container.seek(at, stream=self.stream, backward=True)

    def packets(self) -> "Iterator[Packet[VideoStream]]":
        """Packets of the stream in the order of the file, and an empty one at the end.

        Their times go on where those of the file begin anew; ``joins`` says where. Where the file
        cannot be read any further, the iterator ends with a warning.
        """
        self._times = self._steady_times()
        try:
            for packet in packets_of(self._container, self.stream):
                if self._timeless_packets:
                    packet.pts = None if self.untimed else packet.dts
                if not self._sought:
                    self._times.put(packet)
                yield packet
        except av.error.FFmpegError as error:
            self.warnings.append(f"reading stopped early: {error.strerror}")

    def key_frames(self) -> list[float]:
        """Presentation times in seconds of the frames at which decoding can begin, ascending.

        Reads through a second handle of the file and decodes nothing, so it may be called while
        frames are read. Empty where the packets carry no times, as in a raw H.264 stream.

        Raises:
            FFmpegError: when the file cannot be opened a second time.
        """
        times: list[float] = []
        steady = self._steady_times()
        with open_media(self.path) as container:
            stream = container.streams[self.stream.index]
            assert isinstance(stream, VideoStream)
            try:
                for packet in packets_of(container, stream):
                    if self._timeless_packets and not self.untimed:
                        packet.pts = packet.dts
                    steady.put(packet)
                    if packet.size and packet.is_keyframe and packet.pts is not None:
                        times.append(self.seconds(packet.pts))
            except av.error.FFmpegError:
                pass  # the file is cut off; ``packets`` says so
        return sorted(times)


def open_again(
    path: Path, streams: StreamChoice = BEST_STREAMS
) -> tuple[InputContainer, VideoStream]:
    """Opens a video that was there when it was analysed.

    Args:
        streams: what was analysed.

    Raises:
        InputError: when the file is no longer there, or is no longer that video.
    """
    if not is_url(path) and not path.exists():
        raise InputError(f"{path}: the video is gone; put it back to make clips of it")
    try:
        container = open_media(path)
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"{path}: cannot be read any more ({_reason(error)})") from error
    try:
        stream = video_stream(container, path, streams.video)
        if stream is None:
            raise InputError(f"{path}: no video in it any more")
    except InputError:
        container.close()
        raise
    return container, stream


def holds_decoding_times(container: InputContainer) -> bool:
    """Whether the file says decoding times alone. A frame that is decoded in the order in which
    frames are shown is shown then; libav's presentation time may still be one of a later frame."""
    return container.format.name in UNTIMED


def begin_s(stream: VideoStream) -> float:
    """Time in seconds on the container's clock at which the video stream begins."""
    return float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0


def _open_video(path: Path) -> InputContainer:
    if not is_url(path):
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give the video files in it")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty")
    try:
        return open_media(path)
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"{path}: not a video that can be read ({_reason(error)})") from error


def _pixel_aspect(said: Fraction | None) -> Fraction:
    """What a stream says of its pixels, where that makes sense."""
    return said if said and 1 / WIDEST_PIXEL <= said <= WIDEST_PIXEL else SQUARE


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
