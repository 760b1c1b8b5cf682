"""The bounded queues of a run: of frames for the networks, and of calls for the tracker."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from facetrack.core.closing import Closing
from facetrack.media.frame_image import Frame


class QueueClosed(Exception):
    """The consumer has closed the queue; the producer should stop."""


class FrameQueue:
    """Holds at most ``max_frames`` frames and ``max_bytes`` of pixels; one frame always fits.

    The producer calls ``put``, and ``finish`` at the end. The consumer calls ``take``; if it stops
    early, it calls ``close``.
    """

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self.max_frames = max_frames
        self.max_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._wanted = 1
        """Frames that the consumer waits for."""
        self._full = False
        """Whether the producer waits for room."""
        self._finished = False
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def frame_bytes(self) -> int:
        """Mean size of the frames in the queue; 0 when it is empty."""
        frames, size = self.depth()
        return size // frames if frames else 0

    def depth(self) -> tuple[int, int]:
        """Number of frames in the queue, and their bytes."""
        with self._changed:
            return len(self._frames), self._bytes

    def put(self, frame: Frame) -> None:
        """Appends a frame; waits while the queue is full.

        Raises:
            QueueClosed: when the consumer has closed the queue.
        """
        size = frame.image.nbytes
        with self._changed:
            if not self._fits(size):
                self._full = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._fits(size))
            if self._closed:
                raise QueueClosed
            self._frames.append(frame)
            self._bytes += size
            if len(self._frames) >= self._wanted:  # waking the consumer costs more than a frame
                self._changed.notify_all()

    def finish(self, error: BaseException | None = None) -> None:
        """Says that no frames follow.

        ``error``: is raised by ``take`` after the last frame.
        """
        with self._changed:
            self._finished = True
            self._error = error
            self._changed.notify_all()

    def take(self, most: int) -> list[Frame]:
        """Waits for ``most`` frames, or for the end or a full queue.

        Returns:
            Up to ``most`` frames in order, all of one size; none after the last one.
        """
        with self._changed:
            self._wanted = most
            self._changed.wait_for(
                lambda: self._finished or len(self._frames) >= most or self._full
            )
            self._full = False
            if not self._frames:
                if self._error is not None:
                    raise self._error
                return []
            shape = self._frames[0].image.shape
            taken: list[Frame] = []
            while self._frames and len(taken) < most and self._frames[0].image.shape == shape:
                taken.append(self._frames.popleft())
            self._bytes -= sum(f.image.nbytes for f in taken)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Ends the producer, and releases the frames in the queue."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        if not self._frames:
            return True
        return len(self._frames) < self.max_frames and self._bytes + size <= self.max_bytes


class CallQueue(Closing):
    """A queue of at most ``most`` calls, which one thread makes one after the other.

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
