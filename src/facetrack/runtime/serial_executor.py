"""Calls that run one after the other in a thread of their own."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from facetrack.core.closing import Closing


class SerialExecutor(Closing):
    """A queue of at most ``most`` calls for one thread.

    An error of a call is raised by a later ``call`` or by ``finish``. Leaving the context waits for
    the running call and drops those that wait.
    """

    def __init__(self, name: str, most: int) -> None:
        """``name``: of the thread."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Future[None]] = deque()
        self._most = most

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Queues a call; waits while the queue is full."""
        while len(self._waiting) >= self._most or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(function, *arguments))

    def finish(self) -> None:
        """Waits until all calls have ended."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Waits for the running call and drops those that wait."""
        self._thread.shutdown(cancel_futures=True)
