"""A recogniser on a device; on a GPU few crops go through graphs that were captured once."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.core.types import Float32
from facetrack.cuda.memory import ran_out
from facetrack.cuda.streams import stream
from facetrack.recognition.recognizers import Recognizer

CAPTURED = (2, 4, 8, 16, 32, 64)
"""Crops together for which there is a graph: their hundreds of small kernels cost the host more
than the GPU."""
LARGEST = 512
"""Crops together without one."""


class TorchEmbedder:
    """Implements ``Embedder``, beside the detector's stream."""

    def __init__(
        self,
        recognizer: Recognizer,
        network: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        """``network``: ``(n, size, size, 3)`` uint8 RGB on the device to ``(n, dim)`` float32 of
        length one, in the current stream."""
        self.name = recognizer.name
        self.crop = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        self.network = network
        self._device = device
        self._cuda = device.type == "cuda"
        self._stream = stream("embedder", device, priority=-1) if self._cuda else None
        self._graphs = {n: self._captured(n) for n in CAPTURED} if self._cuda else {}
        self._largest = LARGEST

    @torch.inference_mode()
    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        """``(n, size, size, 3)`` uint8 RGB to ``(n, dim)`` of length one."""
        with torch.cuda.stream(self._stream) if self._cuda else nullcontext():
            while self._largest > CAPTURED[-1]:
                try:
                    return self._in_parts(crops)
                except RuntimeError as error:
                    if not ran_out(error):
                        raise
                    self._largest //= 2
            return self._in_parts(crops)

    def _in_parts(self, crops: NDArray[np.uint8]) -> Float32:
        parts = (crops[i : i + self._largest] for i in range(0, len(crops), self._largest))
        return np.concatenate([self._part(np.ascontiguousarray(p)) for p in parts])

    def _part(self, crops: NDArray[np.uint8]) -> Float32:
        pixels = torch.from_numpy(crops)
        size = next((n for n in self._graphs if n >= len(crops)), None)
        if size is None:
            found = self.network(pixels.to(self._device))
        else:
            graph, entrance, exit_ = self._graphs[size]
            entrance[: len(crops)].copy_(pixels)
            graph.replay()
            found = exit_[: len(crops)]
        return np.asarray(found.cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _captured(self, n: int) -> "tuple[torch.cuda.CUDAGraph, Tensor, Tensor]":
        """A graph, the pixels that it reads and the embeddings that it writes."""
        pixels = torch.zeros(
            (n, self.crop.size, self.crop.size, 3), dtype=torch.uint8, device=self._device
        )
        with torch.cuda.stream(self._stream):
            for _ in range(2):  # cuDNN chooses its kernels outside the graph
                self.network(pixels)
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            found = self.network(pixels)
        return graph, pixels, found
