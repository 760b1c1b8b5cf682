"""The CUDA streams of the process, each made once.

torch hands out 32 streams and then the same ones again. A stream on which a graph is captured must
not be used by anything else.
"""

import torch

from facetrack.core.shared import shared


def stream(name: str, device: torch.device, priority: int = 0) -> "torch.cuda.Stream":
    """The stream of this name. The GPU prefers streams of negative priority."""
    return shared(("stream", name, device), lambda: torch.cuda.Stream(device, priority=priority))
