"""Every frame that libav decodes of a file, in the order in which they are shown."""

from collections.abc import Generator

import av.error
from av.video.frame import VideoFrame

from facetrack.media.streams import VideoFile

BEFORE_JOIN = 2
"""Packets before a join that libav takes for incomplete, though they are whole: a transport stream
counts its packets, and the count begins anew there."""


def decoded_frames(file: VideoFile) -> Generator[VideoFrame]:
    """Decodes packet by packet, so that a damaged packet costs no frames but its own.

    Adds a warning to the file at the end, if there was damage.
    """
    damaged_packets = 0
    flawed_frames = 0
    joins = 0
    flagged: list[int] = []
    for number, packet in enumerate(file.packets()):
        if packet.is_corrupt:
            flagged.append(number)
        if len(file.joins) > joins:
            joins = len(file.joins)
            flagged = [n for n in flagged if n < number - BEFORE_JOIN]
        try:
            for frame in packet.decode():
                flawed_frames += frame.is_corrupt
                yield frame
        except MemoryError:  # no fault of the packet
            raise
        except av.error.FFmpegError:
            damaged_packets += 1
    damaged_packets += len(flagged)
    if damaged_packets or flawed_frames:
        file.warnings.append(
            f"damaged inside: {damaged_packets} packets could not be decoded, "
            f"{flawed_frames} frames are flawed"
        )
