"""A base class for whatever ends with ``close``: it makes a context manager of it."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


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
