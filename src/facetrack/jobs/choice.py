"""Whether processes do the work, and how many: where they pay, and as many as have room."""

from collections.abc import Sequence

from facetrack.jobs.film import FilmInWork
from facetrack.jobs.processes import (
    ProcessExecutor,
    on_cores,
    on_gpus,
    usual_memory,
    workers_on_gpu,
    workers_within,
)
from facetrack.jobs.ray_executor import RayExecutor
from facetrack.runtime.process import usable_cores

FEWEST_FRAMES = 1000
"""Frames of a film for which it pays to start processes: each loads its networks first."""
MANY_FILMS = 20
"""Films for which it pays to start several processes for a GPU."""


def process_executor(
    device: str,
    films: int,
    only: FilmInWork | None = None,
    jobs: int | None = None,
    gpus: Sequence[str] = (),
    memory_bytes: int | None = None,
) -> ProcessExecutor | None:
    """The processes for some films; None: this process does the work.

    Args:
        device: as ``DetectionSettings.device``.
        films: number of films.
        only: the film, where it is the only one and can be read.
        jobs: number of processes, on GPUs for each of them; None: as many as help.
        gpus: numbers or UUIDs of the GPUs that work; empty: the first one.
        memory_bytes: of all processes on cores together; None: half of what is available.
    """
    in_parts = films > 1 if only is None else len(only.items) > 1
    if device == "cuda":
        much = films >= MANY_FILMS or (only is not None and in_parts)
        workers = jobs or (workers_on_gpu() if much else 1)
        if gpus or (workers > 1 and in_parts):
            return ProcessExecutor(on_gpus(gpus or ["0"], workers))
    elif device == "cpu" and in_parts:
        memory = memory_bytes or usual_memory()
        few = only is not None and (only.expected_frames or 0) < FEWEST_FRAMES
        workers = min(jobs or (1 if few else usable_cores()), workers_within(memory))
        if only is not None:
            workers = min(workers, len(only.items))
        if workers > 1:
            return ProcessExecutor(on_cores(workers), memory)
    return None


def ray_executor(device: str, address: str, jobs: int | None = None) -> RayExecutor:
    """A Ray cluster that does the work.

    Args:
        device: as ``DetectionSettings.device``.
        address: as ``RayExecutor`` takes it.
        jobs: items at the same time, on GPUs for each of them; None: one a core or GPU.
    """
    if device == "cuda":
        return RayExecutor(address, {}, gpu_share=1.0 / (jobs or 1))
    return RayExecutor(address, on_cores(1)[0], jobs)
