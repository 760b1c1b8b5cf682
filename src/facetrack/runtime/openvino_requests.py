"""A compiled OpenVINO network with as many requests in flight as the CPU runs well at once."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.core.types import Float32

SMALLEST_BATCH = 2
"""A batch of one uses other kernels, whose last bit differs from those of all larger batches."""
LARGEST_BATCH = 64
"""With more crops the activations do not fit into the CPU's cache."""


@dataclass
class _Run:
    results: list[list[Float32]]
    done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each result."""


class Requests:
    """Runs a network. Outputs come in the order of the inputs and do not depend on which requests
    ran at the same time. Several threads may call it at once."""

    def __init__(self, model: ov.Model, precision: str) -> None:
        """``precision``: ``f32`` or ``bf16``."""
        compiled = ov.Core().compile_model(
            model,
            "CPU",
            {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"},
        )
        self._outputs = len(compiled.outputs)
        self._queue = ov.AsyncInferQueue(compiled)
        self._queue.set_callback(self._keep)
        self._start = threading.Lock()

    def run(self, jobs: Sequence[Sequence[NDArray[Any]]]) -> list[list[Float32]]:
        """The outputs of each job. A job is one array for each input of the network."""
        # The rows of a decoded frame may be padded; a request needs them without gaps.
        whole = [[np.ascontiguousarray(a) for a in arrays] for arrays in jobs]
        run = _Run([[] for _ in jobs])
        try:
            for at, arrays in enumerate(whole):
                # The request reads the arrays' own memory: they must live until it is done.
                tensors = {i: ov.Tensor(a, shared_memory=True) for i, a in enumerate(arrays)}
                with self._start:
                    self._queue.start_async(tensors, (run, at))
            for _ in jobs:
                run.done.acquire()
        except BaseException:  # e.g. Ctrl-C: running requests still read the arrays
            self._queue.wait_all()
            raise
        return run.results

    def batch(self, rows: NDArray[Any]) -> list[Float32]:
        """The outputs for ``(n, ...)`` rows, each ``(n, ...)``.

        The rows are cut evenly into jobs of 2 to 64 rows, a power of two each: OpenVINO prepares
        kernels for every batch size that it sees, so it should see few.
        """
        share = max(SMALLEST_BATCH, len(rows) // len(self._queue))
        size = min(LARGEST_BATCH, 1 << (share.bit_length() - 1))
        parts = [rows[i : i + size] for i in range(0, len(rows), size)] or [rows]
        jobs = [[_padded(part)] for part in parts]
        outputs = zip(*self.run(jobs), strict=True)
        return [
            np.concatenate([o[: len(p)] for o, p in zip(of_jobs, parts, strict=True)])
            for of_jobs in outputs
        ]

    def _keep(self, request: ov.InferRequest, job: tuple["_Run", int]) -> None:
        run, at = job
        outputs = (request.get_output_tensor(i).data for i in range(self._outputs))
        run.results[at] = [output.copy() for output in outputs]
        run.done.release()


def _padded(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows, padded with zeros to a power of two."""
    missing = max(SMALLEST_BATCH, 1 << (len(rows) - 1).bit_length()) - len(rows)
    if not missing:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])
