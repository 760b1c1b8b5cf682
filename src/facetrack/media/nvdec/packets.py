"""Packets of H.264 and H.265 as a GPU's decoder takes them, and parts that can be decoded alone.

The decoder takes units after start codes, with their parameters before the first frame, whatever
the container (ITU-T H.264 and H.265, annex B). A stream is cut where decoding can start anew, so
that several decoders can take its parts side by side.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any, TypeAlias

import av.error
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}

START_CODE = b"\x00\x00\x01"

SHORTEST_PART = 32
"""Frames; shorter parts between starting points are decoded together."""

AnyPacket: TypeAlias = "Packet[Any]"


class AnnexB:
    """Converts packets, given in the order of the stream, beginning at a starting point."""

    def __init__(self, codec: str, stream: VideoStream) -> None:
        self._filter = BitStreamFilterContext(FILTERS[codec], stream)

    def of(self, packet: AnyPacket) -> bytes:
        """The units of a packet; empties the packet. Gives nothing where the units are damaged."""
        try:
            return b"".join(map(bytes, self._filter.filter(packet)))
        except av.error.FFmpegError:
            self._filter.flush()
            return b""

    def each(self, packets: Sequence[AnyPacket]) -> Iterator[tuple[bytes, int]]:
        """The units and the presentation time of each packet."""
        for packet in packets:
            pts = packet.pts  # before it is emptied
            assert pts is not None
            yield self.of(packet), pts


@dataclass
class Part:
    """Packets that follow each other in the stream."""

    parameters: bytes
    """The sequence parameters that the first packet brings: they describe all frames."""
    packets: list[Any] = field(default_factory=list)
    goes_on: bool = False
    """Whether the next part is decoded by the same session after this one, because no starting
    point came for too long."""

    @property
    def shown(self) -> dict[int, int]:
        """Presentation time to duration, of the frames that are meant to be shown."""
        return {p.pts: p.duration or 0 for p in self.packets if not p.is_discard}


def parts_of(
    packets: Iterable[Any], codec: str, stream: VideoStream, longest: int
) -> Iterator[Part]:
    """Parts of at most ``longest`` packets; all frames of a part have the same parameters."""
    part = Part(b"")
    same_container_parameters = True
    starts_anew = True  # the part is not decoded on from the one before
    for packet, following in pairwise(chain(packets, [None])):
        same_container_parameters = same_container_parameters and not (
            part.packets and brings_parameters(packet)
        )
        parameters = None
        # A packet is a starting point for sure when the next one shows no earlier frame.
        if (
            same_container_parameters
            and packet.is_keyframe
            and (following is None or following.pts > packet.pts)
        ):
            parameters = starting_point(packet, codec, stream)
        length = len(part.packets)
        if not length:
            part.parameters = parameters or part.parameters
        elif parameters and (
            length >= SHORTEST_PART or not starts_anew or parameters != part.parameters
        ):
            yield part
            part, starts_anew = Part(parameters), True
        elif length >= longest:
            part.goes_on = True
            yield part
            part, starts_anew = Part(part.parameters), False
        part.packets.append(packet)
    if part.packets:
        yield part


def joined(packets: Sequence[AnyPacket]) -> AnyPacket:
    """The units of many packets as one packet.

    Each call of libav releases the interpreter's lock to other threads; one call costs less.
    """
    return Packet(b"".join(map(bytes, packets)))


def brings_parameters(packet: AnyPacket) -> bool:
    """Whether the container gives, with this packet, other parameters for all that follow."""
    return packet.has_sidedata("new_extradata")


def starting_point(packet: AnyPacket, codec: str, stream: VideoStream) -> bytes | None:
    """The sequence parameters that a packet holds together with an IDR frame.

    None where the packet holds no IDR frame, or no parameters: decoding cannot start there.
    """
    parameters = b""
    data = AnnexB(codec, stream).of(joined([packet]))
    for at in _units(data):
        kind = data[at] & 0x1F if codec == "h264" else data[at] >> 1 & 0x3F
        if kind == (7 if codec == "h264" else 33):
            # The next start code may have another zero before it.
            parameters += data[at : data.find(START_CODE, at)].rstrip(b"\x00")
        if kind == 5 if codec == "h264" else kind in (19, 20):
            return parameters or None
        if kind == 1 if codec == "h264" else kind < 10:
            return None
    return None


def _units(data: bytes) -> Iterator[int]:
    """Positions at which units begin, searched one at a time: the end of a frame is far away."""
    at = data.find(START_CODE)
    while 0 <= at < len(data) - len(START_CODE):
        at += len(START_CODE)
        yield at
        at = data.find(START_CODE, at)
