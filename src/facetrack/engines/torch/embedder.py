"""InceptionResnetV1 on a device; on a card few crops go through graphs that were captured once."""

from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.engines.torch.networks import Layers, inception_resnet_v1
from facetrack.engines.torch.pixels import MEAN, SCALE
from facetrack.media.card_memory import ran_out
from facetrack.media.card_streams import stream
from facetrack.models.convert import Tensors
from facetrack.types import Float32

CAPTURED = (2, 4, 8, 16, 32, 64)
"""Crops together for which there is a graph: their hundreds of small kernels cost the host more
than the card."""
LARGEST = 512
"""Crops together without one."""


class Embedder:
    """Crops to embeddings, from one thread at a time, beside the detector's stream."""

    def __init__(self, tensors: Tensors, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._layers = Layers(tensors, device, dtype)
        self._cuda = device.type == "cuda"
        self._stream = stream("embedder", device, priority=-1) if self._cuda else None
        self._graphs = {n: self._captured(n) for n in CAPTURED} if self._cuda else {}
        self._largest = LARGEST

    @torch.inference_mode()
    def embed(self, chips: NDArray[np.uint8]) -> Float32:
        """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` of length one."""
        with torch.cuda.stream(self._stream) if self._cuda else nullcontext():
            while self._largest > CAPTURED[-1]:
                try:
                    return self._in_parts(chips)
                except RuntimeError as error:
                    if not ran_out(error):
                        raise
                    self._largest //= 2
            return self._in_parts(chips)

    def _in_parts(self, chips: NDArray[np.uint8]) -> Float32:
        parts = (chips[i : i + self._largest] for i in range(0, len(chips), self._largest))
        return np.concatenate([self._part(np.ascontiguousarray(p)) for p in parts])

    def _part(self, chips: NDArray[np.uint8]) -> Float32:
        pixels = torch.from_numpy(chips)
        size = next((n for n in self._graphs if n >= len(chips)), None)
        if size is None:
            found = self.network(pixels.to(self._device))
        else:
            graph, entrance, exit_ = self._graphs[size]
            entrance[: len(chips)].copy_(pixels)
            graph.replay()
            found = exit_[: len(chips)]
        return np.asarray(found.cpu().numpy(), np.float32)

    def network(self, pixels: Tensor) -> Tensor:
        """``(n, 160, 160, 3)`` uint8 RGB to ``(n, 512)`` on the device, in the current stream."""
        x = ((pixels.permute(0, 3, 1, 2).float() - MEAN) * SCALE).to(self._dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        return inception_resnet_v1(self._layers, x)

    @torch.inference_mode()
    def _captured(self, n: int) -> "tuple[torch.cuda.CUDAGraph, Tensor, Tensor]":
        """A graph, the pixels that it reads and the embeddings that it writes."""
        pixels = torch.zeros((n, 160, 160, 3), dtype=torch.uint8, device=self._device)
        with torch.cuda.stream(self._stream):
            for _ in range(2):  # cuDNN chooses its kernels outside the graph
                self.network(pixels)
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            found = self.network(pixels)
        return graph, pixels, found
