"""Whatever ends with ``close`` is a context manager: the protocol, and a base class."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self


class Closing(ABC):
    """A context manager that calls ``close`` at its end, whatever ends it."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of files and threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Closable(Protocol):
    """Part of the protocols of what is closed; ``Closing`` implements it."""

    def close(self) -> None:
        """Lets go of files, threads and processes."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
