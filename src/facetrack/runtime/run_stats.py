"""What a run's threads say of themselves while they work; the monitor reads it at any moment.

There is no lock: each attribute is written by one thread alone, in one step.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import ParamSpec, TypeVar

from facetrack.runtime.decimating_buffer import DecimatingBuffer
from facetrack.runtime.queues import FrameQueue

P = ParamSpec("P")
T = TypeVar("T")

MOST_BATCH_CHANGES = 1000


class StageClock:
    """Seconds that one thread has spent in a stage, the stay it is in included."""

    def __init__(self) -> None:
        self._state: tuple[float, float | None] = (0.0, None)
        """Of the stays that are over, and when the present one began; replaced as one."""

    @property
    def seconds(self) -> float:
        """So far."""
        over, since = self._state
        return over if since is None else over + time.perf_counter() - since

    def __enter__(self) -> None:
        self._state = (self._state[0], time.perf_counter())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._state = (self.seconds, None)

    def timed(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, with all its calls in this stage."""

        def call(*arguments: P.args, **named: P.kwargs) -> T:
            with self:
                return function(*arguments, **named)

        return call

    def making(self, items: Iterable[T]) -> Iterator[T]:
        """The items; what is timed is their making, not what is done with them."""
        iterator = iter(items)
        while True:
            try:
                with self:
                    item = next(iterator)
            except StopIteration:
                return
            yield item


@dataclass(frozen=True)
class Stages:
    """Stages of different threads run side by side: together they take longer than the run."""

    open: StageClock = field(default_factory=StageClock)
    """Engine and networks, where the run has to open them; in the caller's thread."""
    decode: StageClock = field(default_factory=StageClock)
    """In the producer's thread; not the waiting for room in the queue."""
    wait_for_frames: StageClock = field(default_factory=StageClock)
    """In the caller's thread, as the next ones."""
    shots: StageClock = field(default_factory=StageClock)
    detect: StageClock = field(default_factory=StageClock)
    wait_for_tracker: StageClock = field(default_factory=StageClock)
    track: StageClock = field(default_factory=StageClock)
    """In the tracking thread, ``embed`` of tracks in work included."""
    embed: StageClock = field(default_factory=StageClock)
    people: StageClock = field(default_factory=StageClock)
    """Tracks to people, after the last frame; in the caller's thread."""

    def seconds(self) -> dict[str, float]:
        """Of each stage so far, by its name."""
        return {name: clock.seconds for name, clock in vars(self).items()}


class RunStats:
    """Of one run; made when it starts."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.stages = Stages()
        self.queue: FrameQueue | None = None
        """Once there is one."""
        self.batch_size: int | None = None
        """Of the last choice."""
        self.batch_changes: DecimatingBuffer[tuple[float, int]] = DecimatingBuffer(
            MOST_BATCH_CHANGES
        )
        """Seconds since the start, and the size chosen from then on."""
        self.frames_found = 0
        """Frames whose faces are known."""
        self.frames_done = 0
        """Frames that are tracked."""

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self.started

    def batch_chosen(self, size: int) -> None:
        """Notes a batch size, and when, if it is another than before."""
        if size != self.batch_size:
            self.batch_changes.add((round(self.seconds, 4), size))
            self.batch_size = size
