"""What reads a video: the protocol that all implementations follow, and the choice of one."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from facetrack.core.closing import Closable
from facetrack.core.types import BEST_STREAMS, StreamChoice, VideoInfo
from facetrack.media.decode import PyavSource, ReadFacts
from facetrack.media.frame_image import Frame
from facetrack.media.frame_index import FrameSpan

log = logging.getLogger(__name__)


class VideoSource(Closable, Protocol):
    """One opened video. A context manager; ``close`` may be called twice.

    Times are presentation times in seconds from the start of the video stream. Damage does not end
    the reading: every frame that can be decoded comes, and ``warnings`` says what was wrong.
    An implementation raises ``InputError`` on opening, when there is no video to read.
    """

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def warnings(self) -> list[str]:
        """One line for each kind of damage met so far."""
        ...

    @property
    def notes(self) -> list[str]:
        """One line for each choice between streams, and each thing met so far that surprises and is
        no damage."""
        ...

    @property
    def fps(self) -> Fraction:
        """Average frames a second, as the header says or as it is guessed."""
        ...

    @property
    def damaged(self) -> bool:
        """Whether a part of the video could not be read so far."""
        ...

    def expected_frames(self, start_s: float, duration_s: float | None) -> int | None:
        """Number of frames in a range, estimated for the progress bar; None where unknown."""
        ...

    def key_frames(self) -> list[float]:
        """Times in seconds of the frames at which decoding can begin, ascending.

        Decodes nothing. Empty where the file holds no times.
        """
        ...

    def frames(self, start_s: float = 0.0, duration_s: float | None = None) -> Iterator[Frame]:
        """Upright frames whose time is in ``[start_s, start_s + duration_s)``, in order.

        ``Frame.index`` counts from 0 at the start of the video, whatever the range. A source is
        read once: this is called once. Closing the iterator ends the threads that decode.
        """
        ...

    def frames_numbered(self, span: FrameSpan) -> Iterator[Frame]:
        """The frames of a span, decoded from its first one on, instead of ``frames``.

        Raises:
            NotAsIndexed: when the decoder gives other frames than the span says.
        """
        ...

    def read_facts(self) -> ReadFacts:
        """What is known after some frames were read by number."""
        ...

    def queue_bytes(self, asked: int) -> int:
        """Bytes of decoded frames that may wait in a queue, where the settings allow ``asked``."""
        ...

    def info(self) -> VideoInfo:
        """Facts of the video and of the frames read; to be called after the last frame.

        Raises:
            InputError: when no frame was read.
        """
        ...

    def close(self) -> None:
        """Closes the file; frames that were read stay valid."""
        ...


def open_source(
    path: Path, device: str, streams: StreamChoice = BEST_STREAMS
) -> tuple[VideoSource, str]:
    """Opens a video with the decoder for a device.

    A GPU's own decoder is used where the networks run on that GPU and it can decode the video;
    libav decodes on the CPU everywhere else.

    Args:
        device: ``cuda``, or any other name of a device for the CPU.
        streams: the streams that are wanted.

    Returns:
        The opened video, and what decodes it, for the report: ``nvdec``, or ``libav`` with the
        reason why the GPU does not decode.

    Raises:
        InputError: when the file is missing, holds no video, or has no such stream.
    """
    if device != "cuda":
        return PyavSource(path, streams), "libav"
    try:
        import torch

        from facetrack.media.nvdec.source import NotForGpu, NvdecSource
    except ImportError as error:
        return PyavSource(path, streams), _logged(path, f"{error.name} is not installed")
    try:
        device_now = torch.device("cuda", torch.cuda.current_device())
        return NvdecSource(path, device_now, streams), "nvdec"
    except NotForGpu as reason:
        return PyavSource(path, streams), _logged(path, str(reason))


def _logged(path: Path, reason: str) -> str:
    log.warning("%s: decoded on the CPU, not the GPU: %s", path, reason)
    return f"libav, not the GPU: {reason}"
