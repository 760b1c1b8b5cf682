"""Packets as a card's decoder wants them (ITU-T H.264 and H.265, annex B): each unit after a start
code, and parameters before the first picture, whatever the container.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}

AnyPacket: TypeAlias = "Packet[Any]"


class AnnexB:
    """For packets in their order, from a picture on from which decoding starts anew."""

    def __init__(self, codec: str, stream: VideoStream) -> None:
        self._filter = BitStreamFilterContext(FILTERS[codec], stream)

    def of(self, packet: AnyPacket) -> bytes:
        """The packet's units, and it is empty then; nothing where they are damaged."""
        try:
            return b"".join(map(bytes, self._filter.filter(packet)))
        except av.error.FFmpegError:
            self._filter.flush()
            return b""


def joined(packets: Sequence[AnyPacket]) -> AnyPacket:
    """The units of many as one: each step of libav gives up the interpreter to other threads."""
    return Packet(b"".join(map(bytes, packets)))


def can_be_joined(packets: Sequence[AnyPacket]) -> bool:
    """Whether none brings parameters of its own."""
    return not any(packet.has_sidedata("new_extradata") for packet in packets)


def starts_anew(packet: AnyPacket, codec: str, stream: VideoStream) -> bool:
    """Whether it holds a picture from which decoding starts anew (an IDR picture)."""
    return _holds_idr(AnnexB(codec, stream).of(joined([packet])), codec)


def _holds_idr(data: bytes, codec: str) -> bool:
    at = data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        kind = data[at + 3] & 0x1F if codec == "h264" else data[at + 3] >> 1 & 0x3F
        if kind == 5 if codec == "h264" else kind in (19, 20):
            return True
        if kind in (1,) if codec == "h264" else kind < 10:
            return False
        at = data.find(b"\x00\x00\x01", at + 3)
    return False
