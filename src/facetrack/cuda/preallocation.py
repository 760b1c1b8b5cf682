"""GPU memory, and pinned host memory, that is allocated once and used again for every batch.

Allocating or freeing GPU memory stops everything that runs on the GPU. So the memory of a batch is
allocated when its graph is captured, and results and frames are copied through pinned memory that
is kept. ``memory.device_allocations`` does not grow once every batch size has occurred.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


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
