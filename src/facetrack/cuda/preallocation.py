"""The GPU's memory, and the host's beside it: taken once, used again for every batch.

Asking the GPU for memory, or giving it back, stops everything that runs on it. So what a batch
needs is taken when its graph is captured, and results and frames cross in pinned memory that
stays: ``gpu_memory.device_allocations`` shows that no more is taken once all sizes have been seen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TransferBuffers:
    """What one batch on its way needs to get to the GPU and back."""

    numbers: Tensor
    """``(size,)`` int64, pinned: where on the GPU its frames are, or parts of them."""
    results: Tensor
    """``(n,)`` float32, pinned."""
    here: Tensor | None
    """``(size, height, width, 3)`` uint8, pinned, for frames that come from the host."""
    there: Tensor | None
    """The same on the GPU."""
    arrived: "torch.cuda.Event"
    done: "torch.cuda.Event"


def preallocate_tensors(
    size: int, results: int, uploaded: tuple[int, int] | None, device: torch.device
) -> TransferBuffers:
    """Room for one batch: ``size`` whole numbers there and ``results`` floats back.

    ``uploaded``: height and width of frames that are not on the GPU yet.
    """
    here = there = None
    if uploaded is not None:
        here = torch.empty((size, *uploaded, 3), dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(here, device=device)
    return TransferBuffers(
        torch.zeros(size, dtype=torch.int64, pin_memory=True),
        torch.empty(results, dtype=torch.float32, pin_memory=True),
        here,
        there,
        torch.cuda.Event(),
        torch.cuda.Event(blocking=True),  # who waits for it sleeps
    )
