"""Reads a video through the GPU's decoders; its frames never leave the GPU.

One decoder session is slower than the networks. So the stream is cut where it starts anew (at IDR
frames), the parts are decoded by several sessions side by side, and put back in order.
"""

import threading
from collections import deque
from collections.abc import Iterator
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

from facetrack.core.errors import InputError
from facetrack.cuda.memory import QUEUE_SHARE, DecodingRoom, bytes_at_hand
from facetrack.cuda.streams import stream
from facetrack.media.decode import VideoSource
from facetrack.media.frame_image import YUV420, FrameImage
from facetrack.media.nvdec.annexb import FILTERS, AnnexB, joined
from facetrack.media.nvdec.coarse import coarse_images
from facetrack.media.nvdec.decoder import Block, GpuDecoder, decoding_engines
from facetrack.media.nvdec.gpu_frame import GpuImage, colour_arguments
from facetrack.media.nvdec.parts import Part, parts_of
from facetrack.media.planar import is_full_range

AHEAD = 2
"""Parts that may be ready and wait, beside those in work."""


class NotForGpu(Exception):
    """Why a video must be decoded on the CPU."""


class GpuFrame(NamedTuple):
    """What ``VideoSource`` asks of a decoded frame."""

    pts: int
    duration: int
    image: GpuImage


class _Look(NamedTuple):
    """What the frames of a part are like."""

    size: tuple[int, int]
    """Height and width."""
    colour: tuple[int, bool]
    """As ``GpuImage``'s."""

    @classmethod
    def of(cls, frame: VideoFrame) -> "_Look":
        return cls((frame.height, frame.width), (int(frame.colorspace), is_full_range(frame)))


class NvdecSource(VideoSource):
    """As ``VideoSource``, with ``GpuImage`` in its frames.

    Raises:
        InputError: on opening, as ``VideoSource`` does; later, when its frames become what the
            GPU's decoders cannot read.
        NotForTheCard: on opening, when the GPU's decoders cannot read it just so.
        FacetrackError: later, when the GPU's memory is all taken.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        super().__init__(path)
        self._codec = self._stream.codec_context.codec.canonical_name
        self._device = device
        try:
            first = _first_frame(path, self._stream.index)
            _check(first, self._codec)
            self._engines = decoding_engines(self._codec, first.height, first.width, device)
            if not self._engines:
                raise NotForGpu(f"it cannot decode {self._codec} of that size")
        except NotForGpu:
            self.close()
            raise
        self._first = _Look.of(first)
        self._looks: dict[bytes, _Look] = {}
        """By the parameters of parts."""

    def queue_bytes(self, asked: int) -> int:
        """Frames wait on the GPU, so the GPU's memory counts."""
        return int(bytes_at_hand(self._device) * QUEUE_SHARE)

    def _images(self) -> Iterator[Any]:
        height, width = self._first.size
        room = DecodingRoom.on(self._device, height * width * 3 // 2, self._engines)
        sessions = _Sessions(self._codec, self._device, room)
        parts = parts_of(self._timed(), self._codec, self._stream, max(1, room.frames // 2))
        waiting: deque[tuple[int, Future[list[GpuFrame]]]] = deque()
        pool = ThreadPoolExecutor(room.sessions, thread_name_prefix="nvdec")
        try:
            for part in parts:
                look, frames = self._look(part), len(part.packets)
                while waiting and (
                    part.goes_on
                    or len(waiting) > room.sessions + AHEAD
                    or sum(n for n, _ in waiting) + frames > room.frames
                ):
                    yield from waiting.popleft()[1].result()
                if part.goes_on:
                    yield from self._decode_on(_run(part, parts), look, sessions)
                else:
                    waiting.append((frames, pool.submit(self._decode, part, look, sessions)))
            while waiting:
                yield from waiting.popleft()[1].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _upright(self, image: Any) -> FrameImage:
        shown: GpuImage = image.image
        return shown

    def _timed(self) -> Iterator[Any]:
        """Packets, all of which have a presentation time."""
        for packet in self._packets():
            if packet.pts is None:
                packet.pts = packet.dts
            if packet.size and packet.pts is not None:
                yield packet

    def _look(self, part: Part) -> _Look:
        """Of one with other parameters than those before libav decodes the first frame."""
        if not self._looks:
            self._looks[part.parameters] = self._first
        if part.parameters not in self._looks:
            first = part.packets[0]
            frame = _image_of(AnnexB(self._codec, self._stream).of(joined([first])), self._codec)
            if frame is None:  # it is damaged
                return self._first
            frame.pts = first.pts
            try:
                _check(frame, self._codec)
            except NotForGpu as reason:
                at_s = float((first.pts - self._origin) * self._time_base)
                raise InputError(
                    f"{self.path}: from {at_s:.3f} s on {reason}, which the GPU does not decode; "
                    "use --device cpu"
                ) from reason
            self._looks[part.parameters] = _Look.of(frame)
        return self._looks[part.parameters]

    def _decode(self, part: Part, look: _Look, sessions: "_Sessions") -> list[GpuFrame]:
        decoder, shown = sessions.of(look.size), part.shown
        blocks = decoder.part(part.packets, shown, AnnexB(self._codec, self._stream))
        frames = [f for block in blocks for f in _frames(block, shown, look.colour, decoder)]
        self._note_missing(len(shown) - len(frames))
        return frames

    def _decode_on(
        self, parts: Iterator[Part], look: _Look, sessions: "_Sessions"
    ) -> Iterator[GpuFrame]:
        """Parts without starting points, by one session one after the other."""
        shown: dict[int, int] = {}
        annexb = AnnexB(self._codec, self._stream)

        def pieces() -> Iterator[tuple[bytes, int]]:
            for part in parts:
                shown.update(part.shown)
                yield from annexb.each(part.packets)

        decoder, seen = sessions.of(look.size), 0
        for block in decoder.run(pieces(), shown):
            frames = _frames(block, shown, look.colour, decoder)
            seen += len(frames)
            yield from frames
        self._note_missing(len(shown) - seen)

    def _note_missing(self, frames: int) -> None:
        if frames > 0:
            self.warnings.append(f"damaged inside: {frames} frames could not be decoded")


class _Sessions:
    """A decoder for each thread, and for one size of frames at a time."""

    def __init__(self, codec: str, device: torch.device, room: DecodingRoom) -> None:
        self._codec, self._device, self._block = codec, device, room.block
        self._own = threading.local()
        # One more for the thread that reads: it decodes what cannot be cut into parts.
        names = (f"nvdec {i}" for i in range(room.sessions + 1))
        self._streams = [stream(name, device, priority=-3) for name in names]

    def of(self, size: tuple[int, int]) -> GpuDecoder:
        """The calling thread's."""
        own = self._own
        if getattr(own, "size", None) != size:
            own.stream = getattr(own, "stream", None) or self._streams.pop()
            own.decoder = None  # its memory goes before another's is taken
            own.decoder = GpuDecoder(self._codec, self._device, own.stream, self._block)
            own.size = size
        decoder: GpuDecoder = own.decoder
        return decoder


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


def _run(part: Part, following: Iterator[Part]) -> Iterator[Part]:
    """The part and those that are decoded on from it."""
    yield part
    while part.goes_on:
        part = next(following)
        yield part


def _check(frame: VideoFrame, codec: str) -> None:
    if codec not in FILTERS:
        raise NotForGpu(f"its codec is {codec}")
    if frame.format.name not in YUV420:
        raise NotForGpu(f"its pictures are {frame.format.name}")
    if frame.rotation or frame.interlaced_frame or frame.pts is None:
        raise NotForGpu("its pictures are turned, interlaced or without times")


def _first_frame(path: Path, stream: int) -> VideoFrame:
    with av.open(str(path), metadata_errors="replace") as container:
        for frame in container.decode(container.streams[stream]):
            assert isinstance(frame, VideoFrame)
            return frame
    raise NotForGpu("libav decodes no frame of it")


def _image_of(data: bytes, codec: str) -> VideoFrame | None:
    """The first one of some units, if libav can decode it."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    with suppress(av.error.FFmpegError):
        for frame in chain(decoder.decode(av.Packet(data)), decoder.decode(None)):
            return frame
    return None
