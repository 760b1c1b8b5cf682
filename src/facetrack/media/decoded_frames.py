"""Every frame that libav decodes of a file, in the order in which they are shown."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame

from facetrack.core.errors import InputError
from facetrack.core.types import StreamChoice
from facetrack.media.streams import VideoFile

JUST_BEFORE = 4
"""Packets before another stream of which one may be flagged."""
MOST_KEPT = 1000
"""Packets from a key frame on that are kept, so that they can be decoded again."""


def decoded_frames(file: VideoFile) -> Generator[VideoFrame]:
    """Decodes packet by packet, so that a damaged packet costs no frames but its own.

    Adds a warning to the file at the end, if there was damage.
    """
    damaged_packets = flawed_frames = 0
    flagged, tail = _Flagged(file), _Tail()
    for packet in file.packets():
        tail.add(packet)
        flagged.add(packet)
        try:
            for frame in packet.decode():
                flawed_frames += frame.is_corrupt
                tail.given(frame)
                flagged.given(frame)
                yield frame
        except MemoryError:  # no fault of the packet
            raise
        except av.error.FFmpegError:
            damaged_packets += 1
            tail.damaged = True
    for frame in tail.lost(file):
        flawed_frames += frame.is_corrupt
        yield frame
    damaged_packets += flagged.count()
    if damaged_packets or flawed_frames:
        file.warnings.append(
            f"damaged inside: {damaged_packets} packets could not be decoded, "
            f"{flawed_frames} frames are flawed"
        )


class _Flagged:
    """Packets that libav takes for incomplete.

    A transport stream counts its packets. Where another stream goes on in its place, the count
    begins anew, and one of the packets just before is flagged though it is whole. Such a place is
    known by times that begin anew, or by another size.
    """

    def __init__(self, file: VideoFile) -> None:
        self._file = file
        self._ranges: list[tuple[int, int]] = []
        """Presentation times of the flagged packets, and until when another stream explains it."""
        self._begins: list[int] = []
        """Presentation times at which another stream begins."""
        self._joins = 0
        self._size: tuple[int, int] | None = None

    def add(self, packet: "Packet[Any]") -> None:
        """Takes the next packet of the file."""
        pts = packet.pts or 0
        if packet.is_corrupt:
            self._ranges.append((pts, pts + JUST_BEFORE * (packet.duration or 1)))
        if len(self._file.joins) > self._joins:
            self._joins = len(self._file.joins)
            self._begins.append(pts)

    def given(self, frame: VideoFrame) -> None:
        """Notes a frame that was decoded."""
        size = (frame.width, frame.height)
        if self._size not in (None, size) and frame.pts is not None:
            self._begins.append(frame.pts)
        self._size = size

    def count(self) -> int:
        """Number of packets that are incomplete."""
        return sum(
            not any(pts <= begin <= until for begin in self._begins) for pts, until in self._ranges
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
        with suppress(InputError), VideoFile(file.path, StreamChoice(file.stream.index)) as again:
            again.stream.thread_type = "NONE"
            for packet in (*self._packets, None):
                with suppress(av.error.FFmpegError):
                    for frame in again.stream.codec_context.decode(packet):
                        if frame.pts is not None and frame.pts > self._last_pts:
                            yield frame
