"""An embedder in torch; on a GPU small batches go through CUDA graphs that are captured once."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.core.types import Float32
from facetrack.cuda.memory import ran_out
from facetrack.cuda.streams import stream
from facetrack.recognition.embedder import require_crops
from facetrack.recognition.recognizers import Recognizer

GRAPH_SIZES = (2, 4, 8, 16, 32, 64)
"""Batch sizes with a CUDA graph: to launch their hundreds of small kernels one by one takes the
host longer than they take the GPU."""
MAX_BATCH = 512
"""Largest batch without a graph."""


class TorchEmbedder:
    """Implements ``Embedder``, on a CUDA stream beside the detector's."""

    def __init__(
        self,
        recognizer: Recognizer,
        network: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        """``network``: computes ``(n, dim)`` float32 of length one from ``(n, size, size, 3)``
        uint8 RGB on the device, in the current stream."""
        self.name = recognizer.name
        self.crop = recognizer.crop
        self.dim = recognizer.dim
        self.calibration = recognizer.calibration
        self.network = network
        self._device = device
        self._cuda = device.type == "cuda"
        self._stream = stream("embedder", device, priority=-1) if self._cuda else None
        self._graphs = {n: self._capture(n) for n in GRAPH_SIZES} if self._cuda else {}
        self._max_batch = MAX_BATCH

    @torch.inference_mode()
    def embed(self, crops: NDArray[np.uint8]) -> Float32:
        require_crops(crops, self.crop, self.name)
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        with torch.cuda.stream(self._stream) if self._cuda else nullcontext():
            while self._max_batch > GRAPH_SIZES[-1]:
                try:
                    return self._in_parts(crops)
                except RuntimeError as error:
                    if not ran_out(error):
                        raise
                    self._max_batch //= 2
            return self._in_parts(crops)

    def _in_parts(self, crops: NDArray[np.uint8]) -> Float32:
        parts = (crops[i : i + self._max_batch] for i in range(0, len(crops), self._max_batch))
        return np.concatenate([self._part(np.ascontiguousarray(p)) for p in parts])

    def _part(self, crops: NDArray[np.uint8]) -> Float32:
        pixels = torch.from_numpy(crops)
        size = next((n for n in self._graphs if n >= len(crops)), None)
        if size is None:
            found = self.network(pixels.to(self._device))
        else:
            graph, graph_input, graph_output = self._graphs[size]
            graph_input[: len(crops)].copy_(pixels)
            graph.replay()
            found = graph_output[: len(crops)]
        return np.asarray(found.cpu().numpy(), np.float32)

    @torch.inference_mode()
    def _capture(self, n: int) -> "tuple[torch.cuda.CUDAGraph, Tensor, Tensor]":
        """A graph for ``n`` crops, the pixels that it reads and the embeddings that it writes."""
        pixels = torch.zeros(
            (n, self.crop.size, self.crop.size, 3), dtype=torch.uint8, device=self._device
        )
        with torch.cuda.stream(self._stream):
            for _ in range(2):  # cuDNN must choose its kernels before the capture
                self.network(pixels)
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            found = self.network(pixels)
        return graph, pixels, found
