"""The CUDA streams of this process, each made once: torch hands out 32 and then the same again,
and a stream on which a graph is being captured must be nobody else's."""

import torch

from facetrack.core.shared import shared


def stream(name: str, device: torch.device, priority: int = 0) -> "torch.cuda.Stream":
    """The stream of that name; negative priorities come first on the GPU."""
    return shared(("stream", name, device), lambda: torch.cuda.Stream(device, priority=priority))
