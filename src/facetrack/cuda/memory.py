"""GPU memory: how much is free, how much of it decoding may take, the error when none is left, and
what is allocated once and used again for every batch.

Allocating or freeing GPU memory stops everything that runs on the GPU. So the memory of a batch is
allocated when its graph is captured, and results and frames are copied through pinned memory that
is kept. torch allocates nothing more from the driver once every batch size has occurred
(tests/cuda).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import NamedTuple

import torch
from torch import Tensor

from facetrack.core.errors import FacetrackError

# Shares of the free memory when a run starts.
PARTS_SHARE = 1 / 8
"""For parts of a video that are being decoded or wait for the parts before them."""
QUEUE_SHARE = 1 / 16
"""For frames that wait for the networks."""
SESSIONS_SHARE = 1 / 8
"""For decoder sessions."""
CUTS_SHARE = 1 / 16
"""For frames of which face cuts may still be asked for."""

SESSION_FRAMES = 64
"""Number of frames whose memory one decoder session holds."""
BLOCK = 64
"""Maximum number of frames in one piece of memory. All of them stay while one of them is needed."""
SMALLEST_BLOCK = 16
"""Minimum number of frames in one piece of memory."""
PATIENCE_S = 5.0
"""How long to wait for memory that other stages of a run hold, in seconds."""


def bytes_at_hand(device: torch.device) -> int:
    """Free memory in bytes: what the driver has, and what torch keeps for later allocations."""
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + kept)


class DecodingRoom(NamedTuple):
    """How much of a GPU the decoding of one video may take."""

    sessions: int
    """Number of decoder sessions at once."""
    frames: int
    """Maximum number of frames of parts that are being decoded or wait."""
    block: int
    """Number of frames in one piece of memory."""

    @classmethod
    def on(cls, device: torch.device, frame_bytes: int, engines: int) -> "DecodingRoom":
        """The room on a GPU.

        Args:
            device: the GPU.
            frame_bytes: memory of one decoded frame.
            engines: number of hardware decoders of the GPU. With one of them there are still two
                sessions: one works while the other one waits.
        """
        at_hand = bytes_at_hand(device)
        fitting = int(at_hand * SESSIONS_SHARE) // (SESSION_FRAMES * frame_bytes)
        frames = int(at_hand * PARTS_SHARE) // frame_bytes
        return cls(
            sessions=max(1, min(fitting, max(2, engines))),
            frames=frames,
            block=max(SMALLEST_BLOCK, min(BLOCK, frames // 256 * 16)),
        )


def ran_out(error: RuntimeError) -> bool:
    """Whether the error says that GPU memory ran out. Each library has its own words for it."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error)
        for words in ("out of memory", "ALLOC_FAILED", "CUDNN_STATUS_INTERNAL_ERROR")
    )


def empty_in_time(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``torch.empty``, which waits up to ``PATIENCE_S`` for other stages to free memory.

    Raises:
        OutOfMemoryError: when they did not.
    """
    until = monotonic() + PATIENCE_S
    while True:
        try:
            return torch.empty(shape, dtype=dtype, device=device)
        except torch.OutOfMemoryError:
            if monotonic() > until:
                raise
        sleep(0.02)


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """A context in which running out of GPU memory is a ``FacetrackError`` of one line.

    Args:
        what: what needs the memory, for the message.

    Raises:
        FacetrackError: in place of the library's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise FacetrackError(
            f"the GPU has no memory left for {what}; end other programs on it, or use --device cpu"
        ) from error


@dataclass(frozen=True)
class TransferBuffers:
    """What one batch in flight needs to get to the GPU and back."""

    numbers: Tensor
    """``(size,)`` int64, pinned: addresses in GPU memory, of frames or parts of them."""
    results: Tensor
    """``(n,)`` float32, pinned."""
    on_host: Tensor | None
    """``(size, height, width, 3)`` uint8, pinned, for frames that come from the host."""
    on_gpu: Tensor | None
    """Their copy on the GPU."""
    arrived: "torch.cuda.Event"
    """Recorded when the frames have been copied to the GPU."""
    done: "torch.cuda.Event"
    """Recorded when the results have been copied to the host."""


def preallocate_tensors(
    size: int, results: int, uploaded: tuple[int, int] | None, device: torch.device
) -> TransferBuffers:
    """Buffers for one batch.

    Args:
        size: number of whole numbers that the graph takes.
        results: number of floats that it returns.
        uploaded: height and width of the frames that come from the host; None: they do not.
        device: the GPU.
    """
    on_host = on_gpu = None
    if uploaded is not None:
        on_host = torch.empty((size, *uploaded, 3), dtype=torch.uint8, pin_memory=True)
        on_gpu = torch.empty_like(on_host, device=device)
    return TransferBuffers(
        torch.zeros(size, dtype=torch.int64, pin_memory=True),
        torch.empty(results, dtype=torch.float32, pin_memory=True),
        on_host,
        on_gpu,
        torch.cuda.Event(),
        torch.cuda.Event(blocking=True),  # a thread that waits for it sleeps
    )
