"""Reads a video through the card's decoders; its frames never leave the card.

One decoder session is slower than the networks. So the stream is cut where it starts anew (at IDR
pictures), the parts are decoded by several sessions side by side, and put back in order.
"""

import threading
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import PyNvVideoCodec as nvc
import torch
from av.video.frame import VideoFrame
from torch import Tensor

from facetrack.media.annexb import FILTERS, AnnexB, can_be_joined, joined, starts_anew
from facetrack.media.card_coarse import coarse_pictures
from facetrack.media.card_gather import gathered
from facetrack.media.card_picture import CardPicture, colour_arguments
from facetrack.media.card_streams import stream
from facetrack.media.decode import VideoSource
from facetrack.media.picture import YUV420, Picture
from facetrack.media.planar import is_full_range

SESSIONS = 7
"""Decoders side by side; an H100 and an H200 have seven engines."""
AHEAD = 2
"""Parts that may be ready and wait, beside those in work."""
SHORTEST_PART = 32
"""Frames; shorter stretches between starting points are decoded together."""
TOGETHER = 16
"""Packets given to a decoder at once; it has surfaces of its own for as many frames."""
QUEUE_SHARE = 1 / 8
"""Of the card's memory, for decoded frames that wait."""


class NotForTheCard(Exception):
    """Why a video must be decoded on the CPU."""


class CardFrame(NamedTuple):
    """What ``VideoSource`` asks of a decoded frame."""

    pts: int
    duration: int
    picture: CardPicture


@dataclass
class _Part:
    """Packets from one starting point to the next."""

    packets: list[Any] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        return len(self.packets) >= SHORTEST_PART

    @property
    def shown(self) -> dict[int, int]:
        """Presentation time to duration of the frames that are meant to be seen."""
        return {p.pts: p.duration or 0 for p in self.packets if not p.is_discard}


class NvdecSource(VideoSource):
    """As ``VideoSource``, with ``CardPicture`` in its frames.

    Raises:
        InputError: on opening, as ``VideoSource`` does.
        NotForTheCard: on opening, when the card's decoders cannot read it just so.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        super().__init__(path)
        try:
            first = _first_frame(path, self._stream.index)
            self._codec = self._stream.codec_context.codec.canonical_name
            self._check(first)
        except NotForTheCard:
            self.close()
            raise
        self._device = device
        self._colour = (int(first.colorspace), is_full_range(first))
        self._sessions = threading.local()
        self._streams = [stream(f"nvdec {i}", device, priority=-3) for i in range(SESSIONS)]

    def queue_bytes(self, asked: int) -> int:
        """Frames wait on the card, so the card's memory counts."""
        return int(torch.cuda.get_device_properties(self._device).total_memory * QUEUE_SHARE)

    def _check(self, first: VideoFrame) -> None:
        if self._codec not in FILTERS:
            raise NotForTheCard(f"its codec is {self._codec}")
        if first.format.name not in YUV420:
            raise NotForTheCard(f"its pictures are {first.format.name}")
        if first.rotation or first.interlaced_frame or first.pts is None:
            raise NotForTheCard("its pictures are turned, interlaced or without times")

    def _pictures(self) -> Iterator[Any]:
        waiting: deque[Future[list[CardFrame]]] = deque()
        pool = ThreadPoolExecutor(SESSIONS, thread_name_prefix="nvdec")
        try:
            for part in self._parts():
                waiting.append(pool.submit(self._decode, part))
                if len(waiting) > SESSIONS + AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _upright(self, picture: Any) -> Picture:
        shown: CardPicture = picture.picture
        return shown

    def _parts(self) -> Iterator[_Part]:
        part = _Part()
        filled: Iterator[Any] = (packet for packet in self._packets() if packet.size)
        for packet, following in pairwise(chain(filled, [None])):
            assert packet is not None
            # A starting point is one for sure when the next packet shows no earlier picture.
            if (
                part.is_long
                and packet.is_keyframe
                and (following is None or following.pts > packet.pts)
                and starts_anew(packet, self._codec, self._stream)
            ):
                yield part
                part = _Part()
            part.packets.append(packet)
        if part.packets:
            yield part

    def _decode(self, part: _Part) -> list[CardFrame]:
        shown = part.shown
        height, width = self._stream.codec_context.height, self._stream.codec_context.width
        session = self._session()
        with torch.inference_mode(), torch.cuda.stream(session.stream):
            # Lengths in steps, so that memory let go by one part fits the next one.
            room = -(-len(shown) // SHORTEST_PART) * SHORTEST_PART
            shape = (room, height * 3 // 2, width)
            memory = torch.empty(shape, dtype=torch.uint8, device=self._device)
            times = session.decode(part.packets, shown, memory, AnnexB(self._codec, self._stream))
            # The decoder uses its surfaces again, but on this very stream: copies come first.
            coarse = coarse_pictures(memory[: len(times)], colour_arguments(*self._colour))
            pictures = memory.unbind()
        if len(times) < len(shown):
            self.warnings.append(
                f"damaged inside: {len(shown) - len(times)} frames could not be decoded"
            )
        return [
            CardFrame(pts, shown[pts], CardPicture(picture, self._colour, small))
            for pts, picture, small in zip(times, pictures, coarse, strict=False)
        ]

    def _session(self) -> "_Session":
        """This thread's."""
        if not hasattr(self._sessions, "made"):
            self._sessions.made = _Session(self._codec, self._device, self._streams.pop())
        made: _Session = self._sessions.made
        return made


class _Session:
    """A decoder and the stream on which its surfaces are copied."""

    def __init__(self, codec: str, device: torch.device, stream: "torch.cuda.Stream") -> None:
        codecs = {"h264": nvc.cudaVideoCodec.H264, "hevc": nvc.cudaVideoCodec.HEVC}
        self.stream = stream
        self.decoder = nvc.CreateDecoder(
            gpuid=device.index or 0,
            codec=codecs[codec],
            cudastream=stream.cuda_stream,
            usedevicememory=True,
        )

    def decode(
        self, packets: Sequence[Any], shown: Container[int], memory: Tensor, annexb: AnnexB
    ) -> list[int]:
        """A part's frames into ``memory`` in presentation order; returns their times.

        Many packets go to the decoder as one: each call costs a fight for the interpreter. It then
        knows no times, but frames come in order. If one is missing, or not all are shown, the
        packets go one by one, with their times.
        """
        times = sorted(p.pts for p in packets)
        if all(pts in shown for pts in times) and can_be_joined(packets):
            groups = (packets[i : i + TOGETHER] for i in range(0, len(packets), TOGETHER))
            given = self._run(((annexb.of(joined(group)), 0) for group in groups), None, memory)
            if len(given) == len(times):
                return times
        timed = [(p.pts, p) for p in packets]  # to be put in form empties a packet
        return self._run(((annexb.of(p), pts) for pts, p in timed), shown, memory)

    def _run(
        self, pieces: Iterable[tuple[bytes, int]], shown: Container[int] | None, memory: Tensor
    ) -> list[int]:
        """Decodes to the end; the times that the decoder gives, of frames that are shown."""
        times: list[int] = []
        filled = ((data, pts) for data, pts in pieces if data)
        for data, pts in chain(filled, [(b"", 0)]):
            surfaces = self.decoder.Decode(_packet(data, pts))
            kept = [s for s in surfaces if shown is None or s.getPTS() in shown]
            kept = kept[: len(memory) - len(times)]
            if kept:
                pointers = torch.tensor([s.GetPtrToPlane(0) for s in kept], pin_memory=True)
                room = memory[len(times) : len(times) + len(kept)]
                gathered(pointers.to(memory.device, non_blocking=True), room)
                times += [s.getPTS() for s in kept]
        return times


def _packet(data: bytes, pts: int) -> Any:
    """For the decoder; empty: the end. ``data`` must outlive the call."""
    packet = nvc.PacketData()
    if data:
        packet.bsl_data = np.frombuffer(data, np.uint8).ctypes.data
        packet.bsl = len(data)
        packet.pts = pts
    return packet


def _first_frame(path: Path, stream: int) -> VideoFrame:
    with av.open(str(path), metadata_errors="replace") as container:
        for frame in container.decode(container.streams[stream]):
            assert isinstance(frame, VideoFrame)
            return frame
    raise NotForTheCard("libav decodes no frame of it")
