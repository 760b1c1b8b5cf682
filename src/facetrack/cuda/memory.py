"""A GPU's memory: what is at hand, what of it decoding takes, and what is said when none is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import NamedTuple

import torch
from torch import Tensor

from facetrack.core.errors import FacetrackError

PARTS_SHARE = 1 / 8
"""Of the memory at hand: parts of a video that are decoded or wait for those before them,"""
QUEUE_SHARE = 1 / 16
"""frames that wait for the networks,"""
SESSIONS_SHARE = 1 / 8
"""and the decoders themselves, each of which holds"""
SESSION_FRAMES = 64
"""frames."""
CUTS_SHARE = 1 / 16
"""Frames of which parts may still be wanted."""
BLOCK = 64
"""Frames that lie in one piece of memory, at most: as long as one of them is wanted all stay."""
SMALLEST_BLOCK = 16
PATIENCE_S = 5.0
"""How long to wait for memory that other stages of a run hold."""


def bytes_at_hand(device: torch.device) -> int:
    """Free, or kept by torch for whoever asks next."""
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + kept)


def device_allocations(device: torch.device) -> int:
    """How often torch has asked the GPU for memory so far."""
    return int(torch.cuda.memory_stats(device).get("num_device_alloc", 0))


class DecodingRoom(NamedTuple):
    """What one video's decoding may take of a GPU."""

    sessions: int
    """Decoders side by side."""
    frames: int
    """Of parts that are decoded or wait."""
    block: int
    """Frames in one piece of memory."""

    @classmethod
    def on(cls, device: torch.device, frame_bytes: int, engines: int) -> "DecodingRoom":
        """``engines``: how many decoders the GPU has; with one a second session fills its gaps."""
        at_hand = bytes_at_hand(device)
        fitting = int(at_hand * SESSIONS_SHARE) // (SESSION_FRAMES * frame_bytes)
        frames = int(at_hand * PARTS_SHARE) // frame_bytes
        return cls(
            sessions=max(1, min(fitting, max(2, engines))),
            frames=frames,
            block=max(SMALLEST_BLOCK, min(BLOCK, frames // 256 * 16)),
        )


def ran_out(error: RuntimeError) -> bool:
    """Whether it says that the GPU's memory is taken; libraries say so in words of their own."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error)
        for words in ("out of memory", "ALLOC_FAILED", "CUDNN_STATUS_INTERNAL_ERROR")
    )


def empty_in_time(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``torch.empty``; where memory is taken, as soon as others have let some go."""
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
    """Says in one line that there was none.

    Raises:
        FacetrackError: in the place of the library's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise FacetrackError(
            f"the GPU has no memory left for {what}; end other programs on it, or use --device cpu"
        ) from error
