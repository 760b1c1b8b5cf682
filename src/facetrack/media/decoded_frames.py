"""Every frame that libav decodes of a file, in the order in which they are shown."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame

from facetrack.core.errors import InputError
from facetrack.media.streams import VideoFile

BEFORE_JOIN = 2
"""Packets before a join that libav takes for incomplete, though they are whole: a transport stream
counts its packets, and the count begins anew there."""
MOST_KEPT = 1000
"""Packets from a key frame on that are kept, so that they can be decoded again."""


def decoded_frames(file: VideoFile) -> Generator[VideoFrame]:
    """Decodes packet by packet, so that a damaged packet costs no frames but its own.

    Adds a warning to the file at the end, if there was damage.
    """
    damaged_packets = flawed_frames = joins = 0
    flagged: list[int] = []
    tail = _Tail()
    for number, packet in enumerate(file.packets()):
        tail.add(packet)
        if packet.is_corrupt:
            flagged.append(number)
        if len(file.joins) > joins:
            joins = len(file.joins)
            flagged = [n for n in flagged if n < number - BEFORE_JOIN]
        try:
            for frame in packet.decode():
                flawed_frames += frame.is_corrupt
                tail.given(frame)
                yield frame
        except MemoryError:  # no fault of the packet
            raise
        except av.error.FFmpegError:
            damaged_packets += 1
            tail.damaged = True
    for frame in tail.lost(file):
        flawed_frames += frame.is_corrupt
        yield frame
    damaged_packets += len(flagged)
    if damaged_packets or flawed_frames:
        file.warnings.append(
            f"damaged inside: {damaged_packets} packets could not be decoded, "
            f"{flawed_frames} frames are flawed"
        )


class _Tail:
    """The packets from the last key frame on.

    Where several threads decode and the last packet is damaged, libav loses the frames that wait
    to be shown after it. One thread gives them.
    """

    def __init__(self) -> None:
        self.damaged = False
        """Whether one of the packets could not be decoded."""
        self._packets: list[Packet[Any]] = []
        self._last_pts: int | None = None

    def add(self, packet: "Packet[Any]") -> None:
        """Takes the next packet of the file."""
        if packet.is_keyframe or len(self._packets) == MOST_KEPT:
            self._packets.clear()
            self.damaged = False
        if packet.size and (self._packets or packet.is_keyframe):
            self._packets.append(packet)
            self.damaged = self.damaged or packet.is_corrupt

    def given(self, frame: VideoFrame) -> None:
        """Notes a frame that was decoded."""
        if frame.pts is not None and (self._last_pts is None or frame.pts > self._last_pts):
            self._last_pts = frame.pts

    def lost(self, file: VideoFile) -> Generator[VideoFrame]:
        """The frames of the packets that come after all that were given."""
        if not self.damaged or self._last_pts is None or file.stream.thread_type.name == "NONE":
            return
        with suppress(InputError), VideoFile(file.path) as again:
            again.stream.thread_type = "NONE"
            for packet in (*self._packets, None):
                with suppress(av.error.FFmpegError):
                    for frame in again.stream.codec_context.decode(packet):
                        if frame.pts is not None and frame.pts > self._last_pts:
                            yield frame
