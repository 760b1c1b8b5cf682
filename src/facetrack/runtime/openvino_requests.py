"""A compiled OpenVINO network with as many requests in flight as the CPU runs well at once."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.core.cpu_threads import cpu_threads
from facetrack.core.shortage import shortage_said
from facetrack.core.types import Float32

SMALLEST_BATCH = 2
"""A batch of one uses other kernels, whose last bit differs from those of all larger batches."""
LARGEST_BATCH = 64
"""With more crops the activations do not fit into the CPU's cache."""

_Running = tuple[ov.InferRequest, list[NDArray[Any]]]
"""A request that was started, and the arrays that it reads."""


class Requests:
    """Runs a network. Outputs come in the order of the inputs and do not depend on which requests
    ran at the same time. Several threads may call it at once.

    The caller waits for its own requests. OpenVINO's threads never call Python: such a call keeps
    the network alive for ever, is left out when a request fails, and aborts the process where
    Python ends at the same moment.
    """

    def __init__(self, model: ov.Model, precision: str) -> None:
        """``precision``: ``f32`` or ``bf16``.

        Raises:
            ResourceError: when there is not enough memory for it.
        """
        with shortage_said():
            wanted = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
            if (threads := cpu_threads()) is not None:
                # Workers side by side would all be pinned to the first cores.
                wanted |= {"INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO"}
            self._compiled = ov.Core().compile_model(model, "CPU", wanted)
        self._outputs = len(self._compiled.outputs)
        self._at_once: int = self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle: deque[ov.InferRequest] = deque()

    def run(self, jobs: Sequence[Sequence[NDArray[Any]]]) -> list[list[Float32]]:
        """The outputs of each job. A job is one array for each input of the network.

        Raises:
            ResourceError: when there is not enough memory for it.
        """
        running: deque[_Running] = deque()
        try:
            with shortage_said():
                return self._results(jobs, running)
        finally:
            for request, _ in running:  # after an error or Ctrl-C: they still read the arrays
                with suppress(RuntimeError):
                    request.wait()

    def _results(
        self, jobs: Sequence[Sequence[NDArray[Any]]], running: deque[_Running]
    ) -> list[list[Float32]]:
        """As ``run``; ``running`` holds what was started and is not finished."""
        results: list[list[Float32]] = []
        for arrays in jobs:
            if len(running) == self._at_once:
                results.append(self._finish(running))
            # The rows of a decoded frame may be padded; a request needs them without gaps. It
            # reads the arrays' own memory: they must live until it is done.
            whole = [np.ascontiguousarray(a) for a in arrays]
            request = self._idle_request()
            running.append((request, whole))
            request.start_async({i: ov.Tensor(a, shared_memory=True) for i, a in enumerate(whole)})
        while running:
            results.append(self._finish(running))
        return results

    def batch(self, rows: NDArray[Any]) -> list[Float32]:
        """The outputs for ``(n, ...)`` rows, each ``(n, ...)``.

        The rows are cut evenly into jobs of 2 to 64 rows, a power of two each: OpenVINO prepares
        kernels for every batch size that it sees, so it should see few.
        """
        share = max(SMALLEST_BATCH, len(rows) // self._at_once)
        size = min(LARGEST_BATCH, 1 << (share.bit_length() - 1))
        parts = [rows[i : i + size] for i in range(0, len(rows), size)] or [rows]
        jobs = [[_padded(part)] for part in parts]
        outputs = zip(*self.run(jobs), strict=True)
        return [
            np.concatenate([o[: len(p)] for o, p in zip(of_jobs, parts, strict=True)])
            for of_jobs in outputs
        ]

    def _idle_request(self) -> ov.InferRequest:
        """One that nobody uses. So no thread waits for another one: each has ``_at_once``."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled.create_infer_request()

    def _finish(self, running: deque[_Running]) -> list[Float32]:
        """Waits for the oldest request; gives copies of its outputs."""
        request, _ = running[0]
        request.wait()
        outputs = [request.get_output_tensor(i).data.copy() for i in range(self._outputs)]
        running.popleft()
        self._idle.append(request)
        return outputs


def _padded(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows, padded with zeros to a power of two."""
    missing = max(SMALLEST_BATCH, 1 << (len(rows) - 1).bit_length()) - len(rows)
    if not missing:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])
