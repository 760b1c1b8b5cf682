"""Samples a run ten times a second in a thread of its own: its load, queues and progress.

An error while sampling does not end the run: the samples so far are kept, and ``warning`` says what
happened. Quantities that the machine does not have are in no sample.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import psutil
import pyarrow as pa

from facetrack.runtime.gpu import Gpu, NoNvml
from facetrack.runtime.metrics import COLUMNS, Row, Sample, as_row, as_table
from facetrack.runtime.run_stats import DecimatingBuffer, RunStats

PERIOD_S = 0.1
"""Time between samples."""
MAX_SAMPLES = 6000
"""Samples kept in memory (3 MB): all of ten minutes; of a longer run every second one, and so on.
"""
MIN_RATE_S = PERIOD_S / 2
"""Least time over which rates are measured; the last sample may follow right after another one."""


class Monitor:
    """Takes samples while its context lasts, and a last one when it ends."""

    def __init__(
        self,
        stats: RunStats,
        gpu: str | None,
        on_sample: Callable[[Sample], None] | None = None,
        workers: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        """
        Args:
            stats: of the run.
            gpu: UUID of the NVIDIA GPU that the networks run on; None: on none.
            on_sample: is called with each sample, in the monitor's thread.
            workers: gives the numbers of the processes that work for this one.
        """
        self._workers = workers
        self.warning: str | None = None
        """Why the sampling stopped before the run, if it did."""
        self._stats = stats
        self._gpu = gpu
        self._on_sample = on_sample
        self._rows: DecimatingBuffer[Row] = DecimatingBuffer(MAX_SAMPLES)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def samples(self) -> pa.Table:
        """The samples in order of time, after the context has ended; columns of
        ``metrics.COLUMNS``."""
        return as_table(self._rows.items())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes the last sample; may be called before the context ends."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            sampler = Sampler(self._stats, _opened(self._gpu), self._workers)
            due = time.perf_counter()
            over = False
            while not over:
                due = max(due + PERIOD_S, time.perf_counter() + MIN_RATE_S)
                over = self._over.wait(due - time.perf_counter())
                self._keep(sampler.sample())
        except Exception as error:
            self.warning = (
                f"monitoring stopped after {self._stats.seconds:.1f} s "
                f"({type(error).__name__}: {error}); the analysis went on"
            )

    def _keep(self, sample: Sample) -> None:
        self._rows.add(as_row(sample))
        if self._on_sample is not None:
            self._on_sample(sample)


class Sampler:
    """Takes one sample at a time; rates are those since the sample before.

    Use it in one thread: psutil remembers the machine's load by thread.
    """

    def __init__(
        self, stats: RunStats, gpu: Gpu | None, workers: Callable[[], Sequence[int]] = tuple
    ) -> None:
        self._workers = workers
        self._stats = stats
        self._gpu = gpu
        self._process = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        psutil.cpu_percent()  # the next call measures the time since this one
        self._before = self._totals()

    def sample(self) -> Sample:
        """The quantities at this moment, without those that are not known."""
        stats = self._stats
        now, before = self._totals(), self._before
        self._before = now
        passed_s = now.seconds - before.seconds
        machine_percent = psutil.cpu_percent()
        values: dict[str, float | None] = {
            "seconds": now.seconds,
            "frames": now.frames_tracked,
            "untracked_frames": max(0, now.frames_detected - now.frames_tracked),
            "batch_size": stats.batch_size,
            "rss_bytes": sum(self._of_family(lambda p: p.memory_info().rss)),
            **{f"{stage}_s": seconds for stage, seconds in stats.stages.seconds().items()},
        }
        if stats.queue is not None:
            values["queued_frames"], values["queued_bytes"] = stats.queue.depth()
        if passed_s >= MIN_RATE_S:
            busy = (now.cpu_s - before.cpu_s) / (passed_s * self._cores)
            values["frames_per_second"] = (now.frames_tracked - before.frames_tracked) / passed_s
            values["cpu_percent"] = 100 * busy
            values["machine_cpu_percent"] = machine_percent
        if self._gpu is not None:
            values |= monitor_gpu_utilization(self._gpu)
        ordered = ((name, values.get(name)) for name in COLUMNS.names)
        return {name: round(value, 4) for name, value in ordered if value is not None}

    def _of_family(self, measure: Callable[[psutil.Process], float]) -> Iterator[float]:
        """A quantity of this process and of each of its workers."""
        yield measure(self._process)
        for pid in self._workers():  # to search for them would be to read all of /proc
            with suppress(psutil.Error):  # it has just ended
                yield measure(psutil.Process(pid))

    def _totals(self) -> "_Totals":
        stats = self._stats
        return _Totals(
            stats.seconds,
            sum(self._of_family(lambda p: sum(p.cpu_times()[:2]))),
            stats.frames_detected,
            stats.frames_tracked,
        )


class _Totals(NamedTuple):
    seconds: float
    cpu_s: float
    frames_detected: int
    frames_tracked: int
    """Read last, so that the difference is never more than what waited."""


def monitor_gpu_utilization(gpu: Gpu) -> dict[str, float | None]:
    """The GPU's load and memory now; None for what it cannot measure."""
    return {
        "gpu_percent": gpu.percent(),
        "gpu_decoder_percent": gpu.decoder_percent(),
        "gpu_memory_bytes": gpu.memory_bytes(),
    }


def _opened(gpu: str | None) -> Gpu | None:
    """The GPU of this UUID, if NVML knows it."""
    try:
        return Gpu(gpu) if gpu is not None else None
    except NoNvml:  # ``facetrack doctor`` says why
        return None
