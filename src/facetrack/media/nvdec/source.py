"""Reads a video through the GPU's own decoders; the frames never leave the GPU's memory.

One decoder session is slower than the networks. So the stream is cut where decoding can start anew
(at IDR frames), several sessions decode the parts side by side, and the frames are put back in
order.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import torch
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facetrack.core.errors import InputError
from facetrack.core.shared import shared
from facetrack.core.types import BEST_STREAMS, StreamChoice, VideoInfo
from facetrack.cuda.memory import QUEUE_SHARE, DecodingRoom, bytes_at_hand
from facetrack.cuda.streams import stream
from facetrack.media.choosing import packets_of
from facetrack.media.decode import ReadFacts
from facetrack.media.file_source import FileSource
from facetrack.media.frame_image import YUV420, Frame
from facetrack.media.frame_index import FrameSpan, as_expected
from facetrack.media.nvdec.decoder import Block, GpuDecoder, decoding_engines
from facetrack.media.nvdec.gpu_crops import coarse_images
from facetrack.media.nvdec.gpu_frame import GpuImage, colour_arguments
from facetrack.media.nvdec.packets import FILTERS, AnnexB, Part, joined, parts_of
from facetrack.media.opening import open_media
from facetrack.media.orientation import UPRIGHT, Orientation
from facetrack.media.planar import is_full_range
from facetrack.media.tone_mapping import hdr_of

READY_PARTS = 2
"""Decoded parts that may wait for those before them, beside the parts that are being decoded."""


class NotForGpu(Exception):
    """Says why a video must be decoded on the CPU."""


class GpuFrame(NamedTuple):
    """A decoded frame; times in units of the file's ``time_base``."""

    pts: int
    duration: int
    image: GpuImage

    @property
    def dts(self) -> None:
        """The decoder does not say it, and gives frames in order."""


class StreamFormat(NamedTuple):
    """What the frames of a part have in common."""

    size: tuple[int, int]
    """Height and width in pixels."""
    colour: tuple[int, bool]
    """Colour space and whether the range is full, as in ``GpuImage.colour``."""

    @classmethod
    def of(cls, frame: VideoFrame) -> "StreamFormat":
        return cls((frame.height, frame.width), (int(frame.colorspace), is_full_range(frame)))


class NvdecSource(FileSource):
    """Implements ``VideoSource`` on a GPU; the frames' images are ``GpuImage``.

    Args:
        streams: the streams that are wanted.

    Raises:
        InputError: on opening, when the file is missing, holds no video, or has no such stream;
            while reading, when the frames become such as the GPU's decoders cannot read.
        NotForGpu: on opening, when the GPU's decoders cannot read the video.
        FacetrackError: while reading, when the GPU's memory is all taken.
    """

    def __init__(
        self, path: Path, device: torch.device, streams: StreamChoice = BEST_STREAMS
    ) -> None:
        super().__init__(path, streams)
        self._codec = self._file.facts().codec
        self._device = device
        try:
            first = _first_frame(path, self._file.stream.index)
            _check(first, self._codec)
            if self._file.facts().pixel_aspect != 1:
                raise NotForGpu("its pixels are not square")
            if self._file.untimed:
                raise NotForGpu("its container holds no presentation times")
            self._engines = decoding_engines(self._codec, first.height, first.width, device)
            if not self._engines:
                raise NotForGpu(f"it cannot decode {self._codec} of that size")
        except NotForGpu:
            self.close()
            raise
        self._first_format = StreamFormat.of(first)
        self._formats: dict[bytes, StreamFormat] = {}
        """By the parameters of parts."""

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """As ``PyavSource.frames``; closing the iterator joins the threads of the sessions."""
        return self._clock.frames(self._decoded(), lambda f: f.image, start_s, duration_s)

    def frames_numbered(self, span: FrameSpan) -> Iterator[Frame]:
        """As ``PyavSource.frames_numbered``."""
        self._file.seek(float(span.times_s[0]))
        decoded = as_expected(self._decoded(int(span.ticks[-1])), span, self._file)
        return self._clock.numbered(decoded, lambda f: f.image, span)

    def read_facts(self) -> ReadFacts:
        """As ``PyavSource.read_facts``."""
        return ReadFacts(self._clock.end_s, UPRIGHT)

    def queue_bytes(self, asked: int) -> int:
        """A share of the GPU's free memory, where frames wait; ``asked`` is the host's."""
        return int(bytes_at_hand(self._device) * QUEUE_SHARE)

    def info(self) -> VideoInfo:
        """See ``VideoSource``; the GPU decodes no video that must be turned."""
        return self._clock.info(UPRIGHT)

    def _decoded(self, last: int | None = None) -> Generator[GpuFrame]:
        """Frames of all parts in presentation order.

        ``last``: presentation time of the last frame that is needed; None: all are.
        """
        height, width = self._first_format.size
        room = DecodingRoom.on(self._device, height * width * 3 // 2, self._engines)
        sessions = _Sessions(self._codec, self._device, room)
        longest = max(1, room.frames // 2)
        parts = parts_of(self._timed_packets(last), self._codec, self._file.stream, longest)
        waiting: deque[tuple[int, Future[list[GpuFrame]]]] = deque()
        pool = ThreadPoolExecutor(room.sessions, thread_name_prefix="nvdec")
        in_order = in_run = False
        try:
            for part in parts:
                form, frames = self._format_of(part), len(part.packets)
                while waiting and (
                    part.goes_on
                    or len(waiting) > room.sessions + READY_PARTS
                    or sum(n for n, _ in waiting) + frames > room.frames
                ):
                    yield from waiting.popleft()[1].result()
                if part.goes_on:
                    in_run = True
                    yield from self._decode_run(_run_from(part, parts), form, sessions)
                    in_run = False
                else:
                    waiting.append((frames, pool.submit(self._decode, part, form, sessions)))
            while waiting:
                yield from waiting.popleft()[1].result()
            in_order = True
        except GeneratorExit:
            in_order = not in_run
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            if in_order and all(f.cancelled() or f.exception() is None for _, f in waiting):
                sessions.release()

    def _timed_packets(self, last: int | None) -> Iterator[Any]:
        """Packets that hold data and have a presentation time.

        They end at the second key frame after ``last``: frames that are shown before the first one
        may come after it.
        """
        keys_after = 0
        for packet in self._file.packets():
            if packet.pts is None:
                packet.pts = packet.dts
            if packet.size and packet.pts is not None:
                keys_after += last is not None and packet.is_keyframe and packet.pts > last
                if keys_after == 2:
                    return
                yield packet

    def _format_of(self, part: Part) -> StreamFormat:
        """The format of a part's frames; where its parameters are new, libav decodes its first."""
        if not self._formats:
            self._formats[part.parameters] = self._first_format
        if part.parameters not in self._formats:
            first = part.packets[0]
            annexb = AnnexB(self._codec, self._file.stream)
            frame = _first_decoded(annexb.of(joined([first])), self._codec)
            if frame is None:  # it is damaged
                return self._first_format
            frame.pts = first.pts
            try:
                _check(frame, self._codec)
            except NotForGpu as reason:
                at_s = self._file.seconds(first.pts)
                raise InputError(
                    f"{self.path}: from {at_s:.3f} s on {reason}, which the GPU does not decode; "
                    "use --device cpu"
                ) from reason
            self._formats[part.parameters] = StreamFormat.of(frame)
        return self._formats[part.parameters]

    def _decode(self, part: Part, form: StreamFormat, sessions: "_Sessions") -> list[GpuFrame]:
        """The frames of one part; runs in a thread of the pool."""
        decoder, shown = sessions.of(form.size), part.shown
        blocks = decoder.part(part.packets, shown, AnnexB(self._codec, self._file.stream))
        frames = [f for block in blocks for f in _frames(block, shown, form.colour, decoder)]
        self._note_missing(len(shown) - len(frames))
        return frames

    def _decode_run(
        self, parts: Iterator[Part], form: StreamFormat, sessions: "_Sessions"
    ) -> Iterator[GpuFrame]:
        """The frames of parts without starting points, decoded by one session in turn."""
        shown: dict[int, int] = {}
        annexb = AnnexB(self._codec, self._file.stream)

        def pieces() -> Iterator[tuple[bytes, int]]:
            for part in parts:
                shown.update(part.shown)
                yield from annexb.each(part.packets)

        decoder, given = sessions.of(form.size), 0
        for block in decoder.run(pieces(), shown):
            frames = _frames(block, shown, form.colour, decoder)
            given += len(frames)
            yield from frames
        self._note_missing(len(shown) - given)

    def _note_missing(self, frames: int) -> None:
        if frames > 0:
            self._file.warnings.append(f"damaged inside: {frames} frames could not be decoded")


class _Sessions:
    """One decoder for each thread, for one size of frames at a time."""

    def __init__(self, codec: str, device: torch.device, room: DecodingRoom) -> None:
        self._codec, self._device, self._block = codec, device, room.block
        self._own = threading.local()
        self._idle: _Idle = shared(("nvdec decoders", codec, device, room.block), _Idle)
        self._used: list[tuple[tuple[int, int], GpuDecoder]] = []
        # One more for the thread that reads: it decodes what cannot be cut into parts.
        names = (f"nvdec {i}" for i in range(room.sessions + 1))
        self._streams = [stream(name, device, priority=-3) for name in names]

    def of(self, size: tuple[int, int]) -> GpuDecoder:
        """The calling thread's decoder, for frames of this height and width."""
        own = self._own
        if getattr(own, "size", None) != size:
            if getattr(own, "decoder", None) is not None:  # its memory goes before another's comes
                self._used.remove((own.size, own.decoder))
                own.decoder = None
            own.decoder = self._idle.take(size) or self._made()
            own.size = size
            self._used.append((size, own.decoder))
        decoder: GpuDecoder = own.decoder
        return decoder

    def release(self) -> None:
        """Keeps the decoders for the next source; all of them must have ended their parts."""
        for size, decoder in self._used:
            self._idle.put(size, decoder)
        self._used.clear()

    def _made(self) -> GpuDecoder:
        own = self._own
        own.stream = getattr(own, "stream", None) or self._streams.pop()
        return GpuDecoder(self._codec, self._device, own.stream, self._block)


class _Idle:
    """Decoders that no source uses: to make one takes as long as to decode a hundred frames."""

    def __init__(self) -> None:
        self._decoders: list[tuple[tuple[int, int], GpuDecoder]] = []
        self._lock = threading.Lock()

    def take(self, size: tuple[int, int]) -> GpuDecoder | None:
        """One for frames of this height and width; those for others are given up."""
        with self._lock:
            self._decoders = [one for one in self._decoders if one[0] == size]
            return self._decoders.pop()[1] if self._decoders else None

    def put(self, size: tuple[int, int], decoder: GpuDecoder) -> None:
        with self._lock:
            self._decoders.append((size, decoder))


def _frames(
    block: Block, shown: dict[int, int], colour: tuple[int, bool], decoder: GpuDecoder
) -> list[GpuFrame]:
    with decoder.at_work():
        coarse = coarse_images(block.nv12, colour_arguments(*colour))
        images = block.nv12.unbind()
    return [
        GpuFrame(pts, shown[pts], GpuImage(image, colour, small))
        for pts, image, small in zip(block.times, images, coarse, strict=True)
    ]


def _run_from(part: Part, following: Iterator[Part]) -> Iterator[Part]:
    """The part and those that the same session decodes after it."""
    yield part
    while part.goes_on:
        part = next(following)
        yield part


def _check(frame: VideoFrame, codec: str) -> None:
    """Raises ``NotForGpu`` for frames that the GPU's decoders do not give as libav does."""
    if codec not in FILTERS:
        raise NotForGpu(f"its codec is {codec}")
    if frame.format.name not in YUV420:
        raise NotForGpu(f"its frames are {frame.format.name}")
    if Orientation.of(frame) != UPRIGHT:
        raise NotForGpu("its frames are rotated or mirrored")
    if hdr_of(frame) is not None:
        raise NotForGpu("its colours are HDR")
    if frame.interlaced_frame or frame.pts is None:
        raise NotForGpu("its frames are interlaced or without times")


def _first_frame(path: Path, stream: int) -> VideoFrame:
    with open_media(path) as container:
        chosen = container.streams[stream]
        assert isinstance(chosen, VideoStream)
        for packet in packets_of(container, chosen):
            with suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return frame
    raise NotForGpu("libav decodes no frame of it")


def _first_decoded(data: bytes, codec: str) -> VideoFrame | None:
    """The first frame of some units; None where libav decodes none."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    with suppress(av.error.FFmpegError):
        for frame in chain(decoder.decode(av.Packet(data)), decoder.decode(None)):
            return frame
    return None
