"""Cuts a stream where decoding starts anew, into parts that several decoders take side by side."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

from av.video.stream import VideoStream

from facetrack.media.nvdec.annexb import brings_parameters, starting_point

SHORTEST_PART = 32
"""Frames; shorter stretches between starting points are decoded together."""


@dataclass
class Part:
    """Packets in their order."""

    parameters: bytes
    """What its frames are decoded by, as its first packet has it."""
    packets: list[Any] = field(default_factory=list)
    goes_on: bool = False
    """The next part is decoded on from this one: there was no starting point for too long."""

    @property
    def shown(self) -> dict[int, int]:
        """Presentation time to duration of the frames that are meant to be seen."""
        return {p.pts: p.duration or 0 for p in self.packets if not p.is_discard}


def parts_of(
    packets: Iterable[Any], codec: str, stream: VideoStream, longest: int
) -> Iterator[Part]:
    """Parts of up to ``longest`` packets; all frames of one have the same parameters."""
    part = Part(b"")
    fixed = True
    apart = True  # the part is not decoded on from the one before
    for packet, following in pairwise(chain(packets, [None])):
        fixed = fixed and not (part.packets and brings_parameters(packet))
        parameters = None
        # A starting point is one for sure when the next packet shows no earlier frame.
        if fixed and packet.is_keyframe and (following is None or following.pts > packet.pts):
            parameters = starting_point(packet, codec, stream)
        length = len(part.packets)
        if not length:
            part.parameters = parameters or part.parameters
        elif parameters and (length >= SHORTEST_PART or not apart or parameters != part.parameters):
            yield part
            part, apart = Part(parameters), True
        elif length >= longest:
            part.goes_on = True
            yield part
            part, apart = Part(part.parameters), False
        part.packets.append(packet)
    if part.packets:
        yield part
