"""A list of bounded length: beyond its bound it keeps evenly spaced items."""

from typing import Generic, TypeVar

T = TypeVar("T")


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
