"""One compiled network per process: made at its first use, shared by all that ask later."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.RLock()  # what is made may need another shared thing
_made: dict[Hashable, Any] = {}


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` gives for ``key``, made once even when several threads ask together."""
    with _lock:
        if key not in _made:
            _made[key] = make()
        return _made[key]  # type: ignore[no-any-return]
