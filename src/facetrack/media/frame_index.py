"""The frames of a film by number, as its packets say, so that reading can begin in the middle.

Nothing is decoded. Frames are found again by number only where each packet is one frame with a time
of its own, and where the container can seek to a packet by its time. In all other films reading
begins at the start.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import av.error
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facetrack.core.frame_range import EPSILON_S
from facetrack.core.types import StreamChoice
from facetrack.media.opening import is_url
from facetrack.media.rising_times import DecodedT
from facetrack.media.streams import VideoFile

SEEKABLE = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
"""libav's names of the containers that hold an index of their packets by time."""

PACKET = np.dtype(
    [
        ("pts", np.int64),
        ("dts", np.int64),
        ("key", np.bool_),
        ("hidden", np.bool_),  # decoded, and cut off by an edit list
        ("unclear", np.bool_),  # without times, or incomplete
    ]
)


class NotAsIndexed(Exception):
    """The decoder gives other frames than the packets say; the film must be read from its start."""


class FrameSpan(NamedTuple):
    """Successive frames of a film, of which the first is one at which decoding can begin."""

    first: int
    """Number of the first frame."""
    ticks: NDArray[np.int64]
    """``(n,)`` presentation times in units of the stream's time base, rising."""
    times_s: NDArray[np.float64]
    """``(n,)`` the same in seconds from the stream's start."""
    to_the_end: bool
    """Whether the film ends after them."""


@dataclass(frozen=True)
class FrameIndex:
    """All frames of a film, in the order in which they are shown."""

    ticks: NDArray[np.int64]
    """``(n,)`` presentation times in units of the stream's time base, rising."""
    times_s: NDArray[np.float64]
    """``(n,)`` the same in seconds from the stream's start."""
    keys: NDArray[np.int64]
    """``(k,)`` numbers of the frames at which decoding can begin, ascending."""

    def between(self, start_s: float, end_s: float) -> range:
        """Numbers of the frames whose time is in ``[start_s, end_s)``."""
        edges = start_s - EPSILON_S, end_s - EPSILON_S
        return range(*np.searchsorted(self.times_s, edges).tolist())

    def span(self, key: int, stop: int) -> FrameSpan:
        """Frames ``key`` to ``stop``, ``stop`` not included."""
        part = slice(key, stop)
        return FrameSpan(key, self.ticks[part], self.times_s[part], stop >= len(self.ticks))

    def key_before(self, frame: int) -> int:
        """Number of the last frame up to ``frame`` at which decoding can begin."""
        return int(self.keys[np.searchsorted(self.keys, frame, "right") - 1])


def frame_index(file: VideoFile) -> FrameIndex | None:
    """The frames of a film by number; None where reading must begin at the start.

    Reads all packets of the file, through a second handle.
    """
    if is_url(file.path) or not file.has_index(SEEKABLE):
        return None
    with VideoFile(file.path, StreamChoice(file.stream.index)) as again:
        facts = np.array([_facts(p) for p in again.packets() if p.size], PACKET)
        if again.warnings or again.joins or not len(facts) or facts["unclear"].any():
            return None
        if (np.diff(facts["dts"]) <= 0).any():
            return None
        shown = np.sort(facts[~facts["hidden"]], order="pts")
        ticks, keys = shown["pts"].copy(), np.flatnonzero(shown["key"])
        if not len(keys) or keys[0] != 0 or (np.diff(ticks) <= 0).any():
            return None
        times_s = np.array([again.seconds(tick) for tick in ticks.tolist()])
    return FrameIndex(ticks, times_s, keys)


def as_expected(
    decoded: Generator[DecodedT], span: FrameSpan, file: VideoFile
) -> Generator[DecodedT]:
    """The frames of a span, of those that a decoder gives from its key frame, or before it, on.

    Args:
        decoded: frames in the order in which they are shown; it is closed in the end.
        span: which frames are wanted.
        file: where they come from.

    Raises:
        NotAsIndexed: when another frame comes than the next one.
    """
    expected = iter(span.ticks.tolist())
    tick = next(expected)
    with closing(decoded):
        for frame in decoded:
            if frame.pts is not None and frame.pts < span.ticks[0]:
                continue  # it needs frames from before the key frame, or the seek went too far
            if frame.pts != tick:
                raise NotAsIndexed(f"{file.path}: the frame at {frame.pts} is not as expected")
            yield frame
            tick = next(expected, None)
            if tick is None and not span.to_the_end:
                return
    if file.warnings or tick is not None:
        raise NotAsIndexed(f"{file.path}: it ends before the frame at {tick}")


def frames_from(file: VideoFile, span: FrameSpan) -> Generator[VideoFrame]:
    """The decoded frames from the key frame of a span, or from before it, to the end of the film.

    Args:
        file: opened for this; its position changes.
        span: of the same file.

    Raises:
        NotAsIndexed: when a frame cannot be decoded, or is flawed.
    """
    file.seek(float(span.times_s[0]))
    try:
        for packet in file.packets():
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise NotAsIndexed(f"{file.path}: the frame at {frame.pts} is flawed")
                yield frame
    except av.error.FFmpegError as error:
        raise NotAsIndexed(str(error)) from error


def _facts(packet: "Packet[Any]") -> tuple[int, int, bool, bool, bool]:
    """One row of ``PACKET``."""
    unclear = packet.pts is None or packet.dts is None or packet.is_corrupt
    return packet.pts or 0, packet.dts or 0, packet.is_keyframe, packet.is_discard, unclear
