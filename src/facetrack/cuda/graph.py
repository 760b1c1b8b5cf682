"""Work on a GPU as a CUDA graph, captured once: nothing is taken or launched piece by piece later.

It is told by whole numbers, most of them addresses on the GPU, and answers with floats; both cross
in pinned memory, so that nobody waits while the next work is started.
"""

import threading
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facetrack.cuda.preallocation import TransferBuffers
from facetrack.cuda.streams import stream

Answer = Callable[[], NDArray[np.float32]]
"""Waits for what the GPU made, and gives a copy of it."""

_one_at_a_time = threading.Lock()
"""A process captures one graph, on one stream."""


class CudaGraph:
    """A function of ``(n,)`` int64 numbers, on the stream that is current when it is made and run.

    Its arrays are taken once; one run uses them after the other.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        first: TransferBuffers,
        new_way: Callable[[int], TransferBuffers],
        pool: object,
        device: torch.device,
    ) -> None:
        """``first``: numbers to try it with; ``new_way``: room for a run with so many results."""
        self._device, self._new_way = device, new_way
        self._given = first.numbers.to(device)
        self._free: list[TransferBuffers] = []
        with _one_at_a_time:
            self._capture(function, pool)

    def _capture(self, function: Callable[[Tensor], Tensor], pool: object) -> None:
        device = self._device
        for _ in range(2):  # libraries and Triton prepare themselves outside the graph
            function(self._given)
        torch.cuda.current_stream(device).synchronize()
        torch.cuda.empty_cache()  # the graph takes its memory anew
        self._graph = torch.cuda.CUDAGraph()
        side = stream("capture", device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.graph(
            self._graph, pool=pool, stream=side, capture_error_mode="thread_local"
        ):
            self._found = function(self._given)

    def run(self, fill: Callable[[TransferBuffers], None]) -> Answer:
        """``fill`` writes the numbers; what it does on the GPU comes before the function."""
        way = self._free.pop() if self._free else self._new_way(self._found.numel())
        fill(way)
        self._given.copy_(way.numbers, non_blocking=True)
        self._graph.replay()
        way.results.view_as(self._found).copy_(self._found, non_blocking=True)
        way.done.record()
        return lambda: self._arrived(way)

    def _arrived(self, way: TransferBuffers) -> NDArray[np.float32]:
        if not way.done.query():
            way.done.synchronize()
        # Not torch's copy: it wakes a thread a core, and these spin for a while after it.
        found: NDArray[np.float32] = way.results.view_as(self._found).numpy().copy()
        self._free.append(way)
        return found
