"""Counters and clocks of a run, written by its threads and read by the monitor at any moment.

There is no lock: each attribute is written by one thread only, in one step.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from facetrack.runtime.queues import FrameQueue

P = ParamSpec("P")
T = TypeVar("T")

MAX_BATCH_CHANGES = 1000
"""Changes of the batch size that are kept."""


class DecimatingBuffer(Generic[T]):
    """Keeps every item up to ``most`` (an even number), then every second one, every fourth, and so
    on. The newest item is always there, as one more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[T] = []
        self._step = 1
        self._added = 0
        self._newest: list[T] = []
        """The newest item, if it is not one of the kept."""

    def add(self, item: T) -> None:
        """Appends an item."""
        due = self._added % self._step == 0
        self._added += 1
        if not due:
            self._newest = [item]
            return
        if len(self._kept) == self._most:
            del self._kept[1::2]
            self._step *= 2
        self._kept.append(item)
        self._newest = []

    def items(self) -> list[T]:
        """The kept items and the newest one, in the order in which they were added."""
        return [*self._kept, *self._newest]


class StageClock:
    """Seconds that one thread has spent in a stage; it is in the stage while the context lasts."""

    def __init__(self) -> None:
        self._state: tuple[float, float | None] = (0.0, None)
        """Seconds of past stays, and when the present one began; replaced in one step."""

    @property
    def seconds(self) -> float:
        """Seconds so far, the present stay included."""
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
        """The function; the time of each call counts."""

        def call(*arguments: P.args, **named: P.kwargs) -> T:
            with self:
                return function(*arguments, **named)

        return call

    def iterate(self, items: Iterable[T]) -> Iterator[T]:
        """The items; the time to make each one counts, not what is done with it."""
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
    """One clock for each stage.

    Threads work side by side, so the seconds add up to more than the run takes.
    """

    open: StageClock = field(default_factory=StageClock)
    """Opening the engine and its networks, if the run has to; in the caller's thread."""
    decode: StageClock = field(default_factory=StageClock)
    """In the decoder's thread, without the time that it waits for room in the queue."""
    wait_for_frames: StageClock = field(default_factory=StageClock)
    """In the caller's thread, as are ``shots``, ``detect`` and ``wait_for_tracker``."""
    shots: StageClock = field(default_factory=StageClock)
    detect: StageClock = field(default_factory=StageClock)
    wait_for_tracker: StageClock = field(default_factory=StageClock)
    track: StageClock = field(default_factory=StageClock)
    """In the tracker's thread; holds the part of ``embed`` that the tracker asks for."""
    embed: StageClock = field(default_factory=StageClock)
    """In the tracker's thread: the part that ``track`` holds, and that of tracks that ended."""
    people: StageClock = field(default_factory=StageClock)
    """Joining tracks to people after the last frame; in the caller's thread."""

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, by its name."""
        return {name: clock.seconds for name, clock in vars(self).items()}


class RunStats:
    """The statistics of one run; its time begins when the object is made."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.stages = Stages()
        self.queue: FrameQueue | None = None
        """The decoder's; None before it is there."""
        self.batch_size: int | None = None
        """The size that was chosen last."""
        self.batch_changes: DecimatingBuffer[tuple[float, int]] = DecimatingBuffer(
            MAX_BATCH_CHANGES
        )
        """Seconds since the start, and the batch size from then on."""
        self.frames_detected = 0
        """Frames whose faces were detected."""
        self.frames_tracked = 0
        """Frames whose faces were tracked."""

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started

    def batch_chosen(self, size: int) -> None:
        """Records a batch size if it differs from the last one."""
        if size != self.batch_size:
            self.batch_changes.add((round(self.seconds, 4), size))
            self.batch_size = size
