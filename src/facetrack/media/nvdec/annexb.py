"""Packets as a GPU's decoder wants them (ITU-T H.264 and H.265, annex B): each unit after a start
code, and parameters before the first frame, whatever the container.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}

START = b"\x00\x00\x01"

AnyPacket: TypeAlias = "Packet[Any]"


class AnnexB:
    """For packets in their order, from a frame on from which decoding starts anew."""

    def __init__(self, codec: str, stream: VideoStream) -> None:
        self._filter = BitStreamFilterContext(FILTERS[codec], stream)

    def of(self, packet: AnyPacket) -> bytes:
        """The packet's units, and it is empty then; nothing where they are damaged."""
        try:
            return b"".join(map(bytes, self._filter.filter(packet)))
        except av.error.FFmpegError:
            self._filter.flush()
            return b""

    def each(self, packets: Sequence[AnyPacket]) -> Iterator[tuple[bytes, int]]:
        """One by one, with their times."""
        for packet in packets:
            pts = packet.pts  # before it is emptied
            assert pts is not None
            yield self.of(packet), pts


def joined(packets: Sequence[AnyPacket]) -> AnyPacket:
    """The units of many as one: each step of libav gives up the interpreter to other threads."""
    return Packet(b"".join(map(bytes, packets)))


def brings_parameters(packet: AnyPacket) -> bool:
    """Whether its container says with it what all that follow are decoded by."""
    return packet.has_sidedata("new_extradata")


def starting_point(packet: AnyPacket, codec: str, stream: VideoStream) -> bytes | None:
    """The sequence parameters that a packet holds with a frame from which decoding starts anew
    (an IDR frame); None where it holds no such frame, or not what it is decoded by."""
    parameters = b""
    data = AnnexB(codec, stream).of(joined([packet]))
    for at in _units(data):
        kind = data[at] & 0x1F if codec == "h264" else data[at] >> 1 & 0x3F
        if kind == (7 if codec == "h264" else 33):
            # The next start code may have another zero before it.
            parameters += data[at : data.find(START, at)].rstrip(b"\x00")
        if kind == 5 if codec == "h264" else kind in (19, 20):
            return parameters or None
        if kind == 1 if codec == "h264" else kind < 10:
            return None
    return None


def _units(data: bytes) -> Iterator[int]:
    """Where units begin, looked for when asked for: to the end of a frame it is far."""
    at = data.find(START)
    while 0 <= at < len(data) - len(START):
        at += len(START)
        yield at
        at = data.find(START, at)
