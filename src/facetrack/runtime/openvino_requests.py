"""A compiled network with as many requests in flight as the CPU runs well side by side."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from facetrack.core.types import Float32

SMALLEST_BATCH, LARGEST_BATCH = 2, 64
"""A batch of one goes through other kernels, whose last bit differs from all larger ones; beyond
64 crops the activations leave the cache."""


@dataclass
class _Run:
    results: list[list[Float32]]
    done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each result."""


class Requests:
    """Inputs in, outputs out, in order; the numbers do not depend on what ran side by side."""

    def __init__(self, model: ov.Model, precision: str) -> None:
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
        """Each job's outputs; a job is one array for each input. Threads may call side by side."""
        # A decoded frame's rows may be padded; a request reads them without a gap.
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
        except BaseException:  # Ctrl-C, say: what runs still reads the arrays
            self._queue.wait_all()
            raise
        return run.results

    def _keep(self, request: ov.InferRequest, job: tuple["_Run", int]) -> None:
        run, at = job
        outputs = (request.get_output_tensor(i).data for i in range(self._outputs))
        run.results[at] = [output.copy() for output in outputs]
        run.done.release()

    def batch(self, rows: NDArray[Any]) -> list[Float32]:
        """Outputs for ``(n, ...)`` rows, cut evenly into jobs of 2 to 64, a power of two each.

        OpenVINO prepares kernels anew for every batch size it has not seen: so it sees few.
        """
        share = max(SMALLEST_BATCH, len(rows) // len(self._queue))
        size = min(LARGEST_BATCH, 1 << (share.bit_length() - 1))
        parts = [rows[i : i + size] for i in range(0, len(rows), size)] or [rows]
        jobs = [[_filled(part)] for part in parts]
        outputs = zip(*self.run(jobs), strict=True)
        return [
            np.concatenate([o[: len(p)] for o, p in zip(of_jobs, parts, strict=True)])
            for of_jobs in outputs
        ]


def _filled(rows: NDArray[Any]) -> NDArray[Any]:
    fill = max(SMALLEST_BATCH, 1 << (len(rows) - 1).bit_length()) - len(rows)
    if not fill:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.zeros((fill, *rows.shape[1:]), rows.dtype)])
