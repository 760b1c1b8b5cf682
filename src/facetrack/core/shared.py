"""Objects that exist once per process, as compiled networks: made at first use, then shared."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.RLock()  # making one object may ask for another
_made: dict[Hashable, Any] = {}


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """Returns the object of ``key``; ``make`` is called once, even when several threads ask."""
    with _lock:
        if key not in _made:
            _made[key] = make()
        return _made[key]  # type: ignore[no-any-return]
