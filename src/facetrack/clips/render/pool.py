"""Runs worker processes that write clips, and replaces those that die.

When a worker dies, its task is tried once more, each clip alone. A clip whose worker dies again has
failed; the others have not.
"""

import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace

from facetrack.clips.render.messages import ClipJob, Outcome, RenderTask
from facetrack.runtime.worker_process import ONE_THREAD, WorkerDied, WorkerSlot

WORKER = "facetrack.clips.render.worker"
WORKER_ENVIRONMENT = {
    **ONE_THREAD,  # clips are made in parallel, one process a core
    # By default glibc returns the memory of each freed frame to the system, and takes new pages for
    # the next frame: that took longer than scaling the frame.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "SVT_LOG": "1",
}


def written(tasks: Sequence[RenderTask], processes: int) -> Generator[Outcome]:
    """The outcome of each clip, as soon as it is done; closing the iterator ends the processes.

    Args:
        tasks: are started in this order.
        processes: number of workers; each has one task at a time.
    """
    todo: queue.SimpleQueue[RenderTask] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    for task in tasks:
        todo.put(task)
    servers: list[_Server] = []
    try:
        for _ in range(processes):
            servers.append(_Server(todo, done))
        at_work = len(servers)
        while at_work:
            what = done.get()
            if what is None:
                at_work -= 1
            elif isinstance(what, Outcome):
                yield what
            else:
                raise what
    finally:
        for server in servers:
            server.stop()


class _Server:
    """A thread with one worker process: gives it tasks, and starts another when it has died."""

    def __init__(
        self,
        todo: "queue.SimpleQueue[RenderTask]",
        done: "queue.SimpleQueue[Outcome | BaseException | None]",
    ) -> None:
        self._todo, self._done = todo, done
        self._slot = WorkerSlot(WORKER, WORKER_ENVIRONMENT)
        self._thread = threading.Thread(target=self._serve, name="clips")
        self._thread.start()

    def stop(self) -> None:
        """Kills the process, also in the middle of a clip, and joins the thread."""
        self._slot.stop()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._slot.stopped:
                task = self._todo.get_nowait()
                for job in self._try(task)[0]:
                    again, reason = self._try(replace(task, jobs=(job,)))
                    for _ in again:
                        self._done.put(Outcome(job.number, error=f"its process {reason}, twice"))
        except queue.Empty:
            pass
        except BaseException as error:
            self._done.put(error)
        finally:
            try:
                self._slot.close()
            finally:
                self._done.put(None)  # whatever happened: somebody waits for it

    def _try(self, task: RenderTask) -> tuple[tuple[ClipJob, ...], str]:
        """Sends a task to the worker; gives the clips left over when it died, and how it died."""
        left = {job.number: job for job in task.jobs}
        worker = self._slot.ready()
        if worker is None:
            return (), ""
        try:
            for outcome in worker.answers(task):
                self._done.put(outcome)
                del left[outcome.number]
            return (), ""
        except WorkerDied as death:
            self._slot.died()
            for job in left.values():
                job.remove_partials()
            return (() if self._slot.stopped else tuple(left.values())), str(death)
