"""A function on a GPU as a CUDA graph: captured once, then launched as a whole.

The graph takes whole numbers, most of them addresses in GPU memory, and returns floats. Both are
copied through pinned memory, so the caller does not wait while the next run is started.
"""

import threading
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.cuda.memory import TransferBuffers
from facetrack.cuda.streams import stream

Answer = Callable[[], NDArray[np.float32]]
"""Waits for the results of a run and returns a copy of them."""

_one_at_a_time = threading.Lock()
"""A process captures one graph at a time, all on one stream."""


class CudaGraph:
    """A function of ``(n,)`` int64 numbers. It is captured and run on the current stream.

    Its arrays are allocated once. Runs use them one after the other.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        first: TransferBuffers,
        new_buffers: Callable[[int], TransferBuffers],
        pool: object,
        device: torch.device,
    ) -> None:
        """
        Args:
            function: the work; it must not wait for the GPU.
            first: numbers to call it with while it is captured.
            new_buffers: makes buffers for a run with this many results.
            pool: the memory pool that graphs which never run at once share.
            device: the GPU.
        """
        self._device, self._new_buffers = device, new_buffers
        self._given = first.numbers.to(device)
        self._free: list[TransferBuffers] = []
        with _one_at_a_time:
            self._capture(function, pool)

    def _capture(self, function: Callable[[Tensor], Tensor], pool: object) -> None:
        device = self._device
        for _ in range(2):  # libraries and Triton initialise themselves outside the graph
            function(self._given)
        torch.cuda.current_stream(device).synchronize()
        torch.cuda.empty_cache()  # the graph allocates its own memory
        self._graph = torch.cuda.CUDAGraph()
        side = stream("capture", device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.graph(
            self._graph, pool=pool, stream=side, capture_error_mode="thread_local"
        ):
            self._found = function(self._given)

    def run(self, fill: Callable[[TransferBuffers], None]) -> Answer:
        """Starts a run. ``fill`` writes the numbers; its own work on the GPU comes first."""
        buffers = self._free.pop() if self._free else self._new_buffers(self._found.numel())
        fill(buffers)
        self._given.copy_(buffers.numbers, non_blocking=True)
        self._graph.replay()
        buffers.results.view_as(self._found).copy_(self._found, non_blocking=True)
        buffers.done.record()
        return lambda: self._results(buffers)

    def _results(self, buffers: TransferBuffers) -> NDArray[np.float32]:
        if not buffers.done.query():
            buffers.done.synchronize()
        # NumPy's copy, not torch's: that one wakes a thread for each core, and they spin
        # afterwards.
        found: NDArray[np.float32] = buffers.results.view_as(self._found).numpy().copy()
        self._free.append(buffers)
        return found
